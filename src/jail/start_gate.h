#pragma once

#include "jail/channel.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// Where a created container waits for `start`: a socket in its state directory, on which its
// process listens until it has become its program. So its state can be asked of the kernel: whoever
// connects meets a created container, or nobody. And what goes wrong on the last steps is told to
// `start`, which hears the end of the connection when the program runs: both descriptors are
// close-on-exec.
namespace wasmoor::jail {

// In the runtime, before the process is cloned.
Result<os::Fd> MakeStartGate(const os::Fd& state_directory);

// In the container's process: returns when it shall go on, with the connection to tell it on.
Result<Channel> WaitAtGate(const os::Fd& gate);

// Is somebody waiting there?
bool IsWaitingAtGate(const os::Fd& state_directory);

// Lets it go on. What it says then, if anything, comes by the channel that is returned.
Result<Channel> OpenStartGate(const os::Fd& state_directory);
// Hears that the program runs; an Error is the container's process's.
Status PassStartGate(const Channel& channel, const os::Fd& state_directory);

}  // namespace wasmoor::jail
