#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/image/build.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::image {

// A layer as it will stand in the archive.
struct Layer {
  Blob blob;
  os::Fd file;          // Holds it, from its start.
  std::string diff_id;  // Of a root filesystem: the digest of its tar archive.
};

// The recipe's program and files as a root filesystem; each path's folders are in it. Sorted by
// path, without anything of this machine: owners, times, permissions but for execution.
Result<Layer> MakeRootfsLayer(const Recipe& recipe);

// The program itself.
Result<Layer> MakeProgramLayer(const Recipe& recipe);

// A file without a name to write into: in memory, unless it may become too big for that.
Result<os::Fd> MakeScratchFile();

}  // namespace wasmoor::image
