#include "wasmoor/oci/state.h"

#include <array>
#include <nlohmann/json.hpp>

namespace wasmoor::oci {

std::string_view StatusName(Status status) {
  constexpr std::array<std::string_view, 5> kNames = {"creating", "created", "running", "paused",
                                                      "stopped"};
  return kNames[static_cast<size_t>(status)];
}

std::string ToJson(const State& state) {
  // Keys in the order of the specification's own example.
  nlohmann::ordered_json json;
  json["ociVersion"] = state.oci_version;
  json["id"] = state.id;
  json["status"] = StatusName(state.status);
  if (state.pid != 0) json["pid"] = state.pid;
  json["bundle"] = state.bundle;
  if (!state.annotations.empty()) json["annotations"] = state.annotations;
  // Bytes that are not UTF-8 can be in a path, and no JSON has them.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace wasmoor::oci
