#pragma once

#include <string>

#include "cmd/shim/server.h"

namespace wasmoor::cmd {

// Makes this process the server of a pod in the eyes of everybody else: its name and its arguments,
// which name the pod; the reaper of its descendants; what the kernel ends first when memory is
// short; its control group; and no directory that it keeps in use. Its environment is empty
// afterwards. What cannot be done is a warning: containers run all the same.
void Settle(const ServerSettings& settings, const ShimLog& log);

}  // namespace wasmoor::cmd
