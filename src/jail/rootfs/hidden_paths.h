#pragma once

#include <span>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

// linux.maskedPaths: files are covered by the null device and directories by an empty one. A path
// that names nothing in `root` is left out. The null device is that of the calling thread's /dev.
Status MaskPaths(const os::Fd& root, std::span<const std::string> paths);

// linux.readonlyPaths.
Status ProtectPaths(const os::Fd& root, std::span<const std::string> paths);

}  // namespace wasmoor::jail
