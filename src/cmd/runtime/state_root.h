#pragma once

#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// What of this process decides where the containers of its user are kept.
struct Caller {
  bool is_root = true;            // By its effective user id.
  std::string uid_map;            // /proc/self/uid_map (user_namespaces(7)).
  std::string runtime_directory;  // $XDG_RUNTIME_DIR
  static Caller Now();
};

// Whether this user is root of the whole machine: one that is root in a user namespace only, as in
// that of a rootless podman, is not.
bool IsRootless(const Caller& caller);

// /run/wasmoor, or $XDG_RUNTIME_DIR/wasmoor for whoever is rootless. `rootless`: "true" or "false"
// say so, "auto" finds out. kFailedPrecondition if there is no such directory.
Result<std::string> DefaultStateRoot(const Caller& caller, std::string_view rootless);

}  // namespace wasmoor::cmd
