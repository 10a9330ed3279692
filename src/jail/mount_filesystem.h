#pragma once

#include <string>

#include "jail/mount_options.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

// Attributes and propagation of a mount, attached or not.
Status SetOptions(const os::Fd& mount, const MountOptions& options);

// A new filesystem, mounted with its options and attached nowhere yet.
Result<os::Fd> NewFilesystem(const std::string& type, const std::string& source,
                             const MountOptions& options);

// Is there a parameter that only mount(2) can take: one longer than fsconfig(2) allows, such as the
// layers of an overlay?
bool NeedsClassicMount(const MountOptions& options);
Status MountClassic(const oci::Mount& mount, const MountOptions& options, const os::Fd& target);

}  // namespace wasmoor::jail
