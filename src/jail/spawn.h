#pragma once

#include <map>
#include <span>
#include <string>

#include "jail/namespaces.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/clone.h"

// New processes of containers: nothing else of wasmoor forks. All need one thread.
namespace wasmoor::jail {

struct SpawnPlan {
  const NamespacePlan& namespaces;
  const std::map<std::string, oci::TimeOffset>& time_offsets;
  const os::Fd* cgroup = nullptr;  // Of v2, that the process starts in; null: ours.
};

// Returns twice, as fork(2): the new process is in the namespaces of the plan, but for a mount
// namespace that it joins and a cgroup namespace. It is this process's child, which itself stands
// where it stood before.
Result<os::Cloned> Spawn(const SpawnPlan& plan);

// In the new process.
Status EnterMountNamespace(const NamespacePlan& plan);
// In the new process: goes to plan.mount_after, if that is valid, and takes `root` along, the top
// of a tree that is attached nowhere.
Status LeaveMountNamespace(const NamespacePlan& plan, const os::Fd& root);
// In the new process, once it is in its control group: makes or enters the namespace.
Status TakeCgroupNamespace(const NamespacePlan& plan);

// A user namespace with these maps that nobody is in.
Result<os::Fd> MakeUserNamespace(std::span<const oci::IdMapping> uids,
                                 std::span<const oci::IdMapping> gids);

}  // namespace wasmoor::jail
