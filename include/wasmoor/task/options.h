#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/sandbox/guest.h"

namespace google::protobuf {
class Any;
}  // namespace google::protobuf

// What an operator says of a runtime in containerd's configuration, and who may say otherwise.
// Later ones have the say: defaults, the file that the options name, the options themselves, and
// annotations, where the options allow them.
namespace wasmoor::task {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

struct Options {
  bool systemd_cgroup = false;  // linux.cgroupsPath is "slice:prefix:name", for systemd.
  bool no_pivot_root = false;
  bool no_new_keyring = false;
  LogLevel log_level = LogLevel::kInfo;
  // A control group for the shim itself, as an absolute path below each controller's; empty: none.
  std::string shim_cgroup;
  // Where the daemon of a node listens that a shim asks for its sandbox, an absolute path; empty:
  // where it always does.
  std::string daemon_address;
  sandbox::GuestOptions guest;
  // The keys of settings that a container's annotations may set: "guest.memory" lets
  // kAnnotationPrefix + "guest.memory" count.
  std::vector<std::string> annotations;
};

constexpr std::string_view kAnnotationPrefix = "io.wasmoor.";

// Sets what a TOML document has. kInvalidArgument names `source`, the line and the key, also of one
// that is not known.
Status ApplyToml(std::string_view document, std::string_view source, Options* options);

// The options of `shim start` and of a CreateTaskRequest: a runtimeoptions.v1.Options or a
// containerd.runc.v1.Options; one without a type is none. Reads the file that they name.
// kInvalidArgument: of another type, or not to be understood.
Status ApplyAny(const google::protobuf::Any& any, Options* options);

// Passes over those that are not ours, or not allowed.
Status ApplyAnnotations(const std::map<std::string, std::string>& annotations, Options* options);

}  // namespace wasmoor::task
