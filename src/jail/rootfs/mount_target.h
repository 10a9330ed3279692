#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/mount.h"

// Places in a container's root filesystem, whose contents somebody else chose and may change while
// they are looked for. Nothing here ever reaches outside of `root`.
namespace wasmoor::jail {

enum class TargetKind : uint8_t { kDirectory, kFile };

// A descriptor (O_PATH) of `path` inside `root`, to mount on. What is missing is made, one name at
// a time below a descriptor: directories of mode 0755, at the end a directory or an empty file.
// Symbolic links count as if `root` were "/", those that dangle too; with kNoLinks any is an error
// (ELOOP or ENOTDIR).
Result<os::Fd> OpenTarget(const os::Fd& root, const std::string& path, TargetKind kind,
                          os::Links links);

// The directory that `path`'s last name stands in, made if it is missing, and that name.
struct NamedPlace {
  os::Fd directory;
  std::string name;
};
Result<NamedPlace> OpenParent(const os::Fd& root, const std::string& path);

// `path` as an absolute one without empty names, "." and "..", by its letters alone.
std::string CleanPath(const std::string& path);

}  // namespace wasmoor::jail
