#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>

namespace wasmoor::oci {

enum class Status : uint8_t { kCreating, kCreated, kRunning, kPaused, kStopped };
std::string_view StatusName(Status status);  // "running"

// The state of a container as `state` prints it and as hooks read it (OCI runtime-spec, runtime.md,
// "State"). kPaused is no word of the specification's, but one that all callers know.
struct State {
  std::string oci_version = "1.2.0";
  std::string id;
  Status status = Status::kCreating;
  pid_t pid = 0;  // Left out of the text if 0: there is no process.
  std::string bundle;
  std::map<std::string, std::string> annotations;
};
std::string ToJson(const State& state);  // One line.

}  // namespace wasmoor::oci
