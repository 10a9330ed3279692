#pragma once

#include "jail/rootfs/mount.h"

namespace wasmoor::jail {

// Mounts the control groups of the context on `target`: on a machine with v2 alone its one tree,
// otherwise a tmpfs with a directory for each hierarchy and a link for each controller of those
// that several share (cgroups(7), "Mounting v1 controllers"). In a cgroup namespace the container's
// own group is at the top of a new mount; without one its directory is bound.
Result<os::Fd> MountCgroups(const MountContext& context, const oci::Mount& mount,
                            const MountOptions& options, const os::Fd& target);

}  // namespace wasmoor::jail
