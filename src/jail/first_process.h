#pragma once

#include <vector>

#include "jail/namespaces.h"
#include "jail/process.h"
#include "jail/rootfs/mount.h"
#include "jail/rootfs/rootfs.h"
#include "wasmoor/cgroup/entry.h"
#include "wasmoor/oci/bundle.h"

namespace wasmoor::jail {

// What a container's first process works from: made by the runtime, before the clone.
struct FirstProcessPlan {
  const oci::Bundle& bundle;
  const oci::Spec& spec;  // The bundle's, as it is carried out.
  const std::string& rootfs;
  NamespacePlan namespaces;
  MountSources sources;
  std::vector<CgroupTree> cgroups;
  RootChange change = RootChange::kPivot;
  ProcessPlan process;
  bool host_hooks = false;  // The runtime has some to run when the root file system is built.
  os::Fd gate;              // Where it waits for `start`.
};

// The life of the first process, from its clone to its program (OCI runtime-spec, runtime.md,
// "Lifecycle", steps 2 to 9): never returns. `entry`: into its control group; null if it is there,
// or is put there.
[[noreturn]] void LiveAsFirst(FirstProcessPlan& plan, const cgroup::Entry* entry, Channel channel);

}  // namespace wasmoor::jail
