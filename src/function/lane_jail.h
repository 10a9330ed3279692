#pragma once

#include <span>

#include "wasmoor/base/result.h"
#include "wasmoor/os/landlock.h"

namespace wasmoor::function {

// Puts the calling thread, on which guests will run, into its jail, for good: no capability, none
// to be had by executing something, no file but those of `trees` (what is open stays so), and of
// system calls those that guests, a server's event loop and, if `connections` are allowed, its
// clients need. kUnavailable: the kernel cannot; what it lacks is said.
Status EnterLaneJail(os::Connections connections, std::span<const os::OpenTree> trees = {});

}  // namespace wasmoor::function
