#include "wasmoor/seccomp/listener.h"

#include <nlohmann/json.hpp>

#include "wasmoor/os/unix_socket.h"

namespace wasmoor::seccomp {
namespace {

constexpr const char* kField = "linux.seccomp.listenerPath";

std::string ProcessState(const std::string& metadata, pid_t process, const oci::State& state) {
  nlohmann::ordered_json json;
  json["ociVersion"] = state.oci_version;
  json["fds"] = {"seccompFd"};
  json["pid"] = process;
  if (!metadata.empty()) json["metadata"] = metadata;
  json["state"] = nlohmann::ordered_json::parse(oci::ToJson(state), nullptr, false);
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

Status SendListener(const std::string& path, const std::string& metadata, const os::Fd& listener,
                    pid_t process, const oci::State& state) {
  const std::string text = ProcessState(metadata, process, state);
  const os::Fd socket = TRY_AS(os::ConnectUnix(path), "{}", kField);
  TRY_AS(os::Send(socket, text, &listener), "{}: {}", kField, path);
  return {};
}

}  // namespace wasmoor::seccomp
