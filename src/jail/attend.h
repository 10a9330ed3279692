#pragma once

#include <functional>
#include <string>

#include "jail/channel.h"
#include "jail/process.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/state.h"
#include "wasmoor/os/clone.h"
#include "wasmoor/os/fd.h"

// The runtime's side of what process.h does in the container's process.
namespace wasmoor::jail {

// The socket that shall get the terminal, connected before anything is made. Not valid if the
// process has none, or the caller keeps it. kInvalidArgument: a socket for no terminal.
Result<os::Fd> ConnectConsole(const oci::Process& process, const ProcessOptions& options);

struct Attendance {
  const Channel& channel;
  const os::Cloned& process;
  const ProcessPlan& plan;
  const oci::Spec& spec;    // The container's.
  const oci::State& state;  // Of the container, for who listens to its system calls.
  const os::Fd& console;    // Of ConnectConsole.
};

// Hears one word of the process, and does what it asks for. True: it is ready, and its limits are
// on it. `terminal` gets the terminal's master side, if it has one that nobody else got. kAborted:
// it was killed.
Result<bool> Attend(const Attendance& attendance, os::Fd* terminal);

// Replaces the file at once (rename(2)), so that nobody reads half a number.
Status WritePidFile(const std::string& path, pid_t pid);

// SIGKILL, and waits for its end: it is a child of this process.
void KillChild(const os::Cloned& child);

}  // namespace wasmoor::jail
