#pragma once

#include <span>
#include <vector>

#include "jail/namespaces.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

// Threads in jails of their own, as far as Linux keeps for each thread what a jail is made of
// (namespaces(7), setns(2)). Whatever a thread enters is for good: it has to be a thread that is
// made for one guest.
namespace wasmoor::jail {

// The mount namespace that those of guests are copied from (see jail/rootfs/guest_tree.h). Made by
// a process that is cloned for that, so that with one thread; stays as long as the descriptor.
Result<os::Fd> MakeStage();

// The calling thread gets a descriptor table of its own.
Status SeparateFiles();

// The namespaces of the specification that exist and that a thread can have: network, ipc and uts.
// Opened where their paths lead.
Result<std::vector<NamespacePlan::Joined>> OpenThreadNamespaces(const oci::Linux& config);
// The calling thread goes there. New ones that the specification wants are not made: see
// LeaveHostNamespaces.
Status EnterThreadNamespaces(std::span<const NamespacePlan::Joined> namespaces);

// The calling thread gets a copy of the stage as a mount namespace of its own.
Status EnterStage(const os::Fd& stage);
// The calling thread goes to where another one is: for a second guest of one container.
Status EnterMounts(const os::Fd& mounts);

// This process gets network, ipc and uts namespaces in which nothing is: where guests are that name
// none. They can make no socket, no queue and ask for no name, so that nothing can be seen through
// these. With one thread.
Status LeaveHostNamespaces();

}  // namespace wasmoor::jail
