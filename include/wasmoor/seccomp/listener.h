#pragma once

#include <sys/types.h>

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/state.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::seccomp {

// Hands the listener of a filter to whoever answers for the container: one message over a
// connection of its own to the socket at `path` (oci::Seccomp::listener_path), with the container
// process state as JSON and the descriptor beside it as SCM_RIGHTS (OCI runtime-spec,
// config-linux.md, "The Container Process State"). `process` is the filtered process as this one
// sees it. An error names linux.seccomp.listenerPath; the specification wants the container not to
// start then. Blocks while the listener's queue of connections is full.
Status SendListener(const std::string& path, const std::string& metadata, const os::Fd& listener,
                    pid_t process, const oci::State& state);

}  // namespace wasmoor::seccomp
