#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "jail/rootfs/mount_options.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {

// A control group hierarchy as a container gets to see it under a mount of type "cgroup".
struct CgroupTree {
  std::string name;       // Of its directory: "cpu,cpuacct"; "" for a machine with v2 alone.
  std::string options;    // v1: what mount(8) is given: "cpu,cpuacct", "name=systemd".
  bool unified = false;   // v2.
  std::string directory;  // The container's own group, on the host.
};

// Opened before the container's process is cloned, by whoever still has the host's rights, and
// inherited by it. Unattached copies; they vanish with their descriptors.
struct MountSources {
  os::Fd root;                 // Of the root filesystem; none: the child opens it by its path.
  std::vector<os::Fd> mounts;  // One a mount; none: as before.
};

// A user namespace with these maps, for idmapped mounts.
using UserNamespaceMaker = std::function<Result<os::Fd>(std::span<const oci::IdMapping> uids,
                                                        std::span<const oci::IdMapping> gids)>;

// Opens what the container's process could not itself: with a new user namespace every bind source
// and the root, since it has no rights over them then; and every idmapped one. What this process
// may not clone is left to the child, which has all rights of a user without any. `rootfs` is
// absolute.
Result<MountSources> OpenMountSources(const oci::Spec& spec, const os::Fd& bundle,
                                      const std::string& rootfs, bool new_user_namespace,
                                      const UserNamespaceMaker& make_user_namespace);

// Opens a source, below the directory if it is relative, in this mount namespace: what
// OpenMountSources has not opened.
Result<os::BindSource> OpenSource(const os::Fd& directory, const std::string& path,
                                  os::Depth depth);

// What every mount of a container has in common. Borrowed.
struct MountContext {
  const os::Fd& root;    // Of the container, mounted.
  const os::Fd& bundle;  // Relative sources are relative to it.
  bool user_namespace = false, cgroup_namespace = false;
  const std::vector<CgroupTree>& cgroups;
  const std::string& label;  // SELinux context of new filesystems; empty: none.
};

// A mount that becomes read-only when everything in it is in place.
struct Mounted {
  os::Fd mount;  // None if it could not be had by descriptor.
  bool readonly_later = false;
};

// Makes one mount of the specification in the calling thread's mount namespace. `source`: as
// OpenMountSources opened it, or none.
Result<Mounted> MakeMount(const MountContext& context, const oci::Mount& mount,
                          const os::Fd& source);

// "mounts[3] (/data)": how errors name a mount.
std::string MountName(size_t index, const oci::Mount& mount);

}  // namespace wasmoor::jail
