#pragma once

#include <span>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/sandbox/sandbox.h"

// A container's root filesystem as a snapshotter of containerd's describes it (containerd.types.
// Mount: the fields of mount(8)), in this process's mount namespace.
namespace wasmoor::sandbox {

// The root filesystem as a mount that is attached nowhere, and so is gone with its descriptor and
// with the container that attaches it. None where the kernel cannot make it, or there is more than
// one mount, or none: then AttachRoot has to.
// `beneath`: a directory that is put beneath all layers of an overlay; empty: none. So what it has
// is there, and need not be made in the container's own layer; it must not change.
Result<os::Fd> OpenRoot(std::span<const RootMount> mounts, const std::string& beneath = "");

// Makes the mounts upon each other at <bundle>/rootfs. If one fails, none is left.
Status AttachRoot(const std::string& bundle, std::span<const RootMount> mounts);

// Detaches all that is mounted at <bundle>/rootfs and below. No error if nothing is. Waits for the
// kernel, milliseconds on a machine that is busy.
Status DetachRoot(const std::string& bundle);

}  // namespace wasmoor::sandbox
