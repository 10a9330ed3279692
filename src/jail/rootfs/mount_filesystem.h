#pragma once

#include <span>
#include <string>
#include <vector>

#include "jail/rootfs/mount_options.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {

// Attributes and propagation as the options have them, in the order in which they are made.
std::vector<os::MountChange> ChangesOf(const MountOptions& options);
// Makes them, on an attached mount.
Status SetOptions(const os::Fd& mount, const MountOptions& options);

// A new filesystem, mounted nowhere. ENOSYS: the kernel has no such thing; kOutOfRange: a parameter
// is longer than fsconfig(2) allows.
// `files`: parameters that are files, in their order.
struct FileParameter {
  const char* name;
  const os::Fd& file;
};
Result<os::Fd> NewFilesystem(const std::string& type, const std::string& source,
                             const MountOptions& options,
                             std::span<const FileParameter> files = {});

// Makes a new filesystem and mounts it on the directory `target` with its options; the top of the
// mount. By mount(2) if it has to be: where there is nothing else, and for a parameter that is
// longer than fsconfig(2) allows, such as the layers of an overlay.
Result<os::Fd> MountFilesystem(const std::string& type, const std::string& source,
                               const MountOptions& options, const os::Fd& target);

}  // namespace wasmoor::jail
