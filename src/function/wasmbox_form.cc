#include "function/wasmbox_form.h"

#include <nlohmann/json.hpp>

namespace wasmoor::function {

std::optional<std::string> WasmboxParameter(std::string_view body) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  if (first == body.npos || body[first] != '{') return std::nullopt;
  const auto object = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  const auto parameter = object.find("parameter");
  if (parameter == object.end() || !parameter->is_string()) return std::nullopt;
  return parameter->get<std::string>();
}

std::vector<std::pair<std::string, std::string>> WasmboxFields(std::chrono::nanoseconds execution,
                                                               uint64_t requests,
                                                               std::string_view pod) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(execution);
  std::vector<std::pair<std::string, std::string>> fields = {
      {"cgroup-creation-time", "0"},
      {"cgroup-assign-time", "0"},
      {"execution-time", std::to_string(milliseconds.count())},
      {"num-current-requests", std::to_string(requests)},
  };
  if (!pod.empty()) fields.emplace_back("pod", pod);
  return fields;
}

}  // namespace wasmoor::function
