#pragma once

#include <sys/types.h>

#include <chrono>
#include <vector>

#include "cgroup/tree.h"
#include "wasmoor/base/result.h"

// Who is in a group, and what is done to all of them.
namespace wasmoor::cgroup {

Result<std::vector<pid_t>> MembersOf(const Branch& branch);
// Of a group and those in it, the one that the process is a direct member of. Not valid if it is in
// none of them.
Result<os::Fd> GroupOf(const os::Fd& group, pid_t pid);
Status FreezeBranch(const Branch& branch);
Status ThawBranch(const Branch& branch);
Result<bool> IsBranchFrozen(const Branch& branch);
Status KillMembers(const Branch& branch);

// Removes the directory with those below. kFailedPrecondition if there are members after
// `patience`.
Status RemoveBranch(const Branch& branch, std::chrono::milliseconds patience);

}  // namespace wasmoor::cgroup
