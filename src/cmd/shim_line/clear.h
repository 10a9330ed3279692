#pragma once

#include "cmd/shim_line/shim_line.h"

namespace wasmoor::cmd {

// What `delete` does where nobody serves the container any more: kills what runs in it and removes
// all that is left of it, its shim's socket included, and prints for containerd how it ended (a
// containerd.task.v2.DeleteResponse), as far as that is known; status 137 if it had to be killed.
Status ClearAndTell(const ShimLine& shim);

}  // namespace wasmoor::cmd
