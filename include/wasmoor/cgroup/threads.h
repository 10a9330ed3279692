#pragma once

#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/cgroup/root.h"

// Control groups for threads of one process, each in one of its own. Of CPU time alone: memory is a
// process's (cgroups(7), "Threaded mode").
namespace wasmoor::cgroup {

// Where threads of the calling process can be in groups of their own, for CreateThreadGroup.
//
// v1: nothing is made. v2: groups of threads must be below the group that their process is in.
// Where systemd has delegated that (Delegate=yes), it is divided: into "wasmoor-guests", to which
// the calling process moves, and "wasmoor-daemon", to which all others move. So systemd can go on
// to put processes of its own beside them, which it cannot below a group that has processes. Where
// there is no systemd, the groups of threads are below the process's own, which stays where it is.
// May be called again, also by a process that one has started that has called it.
//
// kFailedPrecondition: this process's group is not its own to divide; or the kernel's reason.
Result<Root> PrepareThreads(const Root& root);

// Makes the group of a container (linux.cgroupsPath) whose processes are threads; one that is there
// is taken. `threads` is of PrepareThreads. On v2 every path becomes a name in that place, one for
// systemd too; on v1 kUnimplemented if it is not one of files.
Result<Group> CreateThreadGroup(const Root& threads, std::string_view path);

// Removes what is left of such a group, whose process has died, as seen by the process that has
// started that. No error if it is not there.
Status RemoveThreadGroup(std::string_view path);

}  // namespace wasmoor::cgroup
