#pragma once

#include <span>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/sandbox/sandbox.h"

// A container's root filesystem as a snapshotter of containerd's describes it (containerd.types.
// Mount: the fields of mount(8)), in this process's mount namespace.
namespace wasmoor::sandbox {

// Makes them upon each other at <bundle>/rootfs, which is made if it is not there. If one fails,
// none is left.
Status MountRoot(const std::string& bundle, std::span<const RootMount> mounts);

// Detaches all that is mounted at <bundle>/rootfs and below. No error if nothing is.
Status UnmountRoot(const std::string& bundle);

}  // namespace wasmoor::sandbox
