#pragma once

#include <cstdint>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::program {

// A file that may be run: open, and looked at closely enough to say in plain words why it cannot be
// WebAssembly where that is so.
struct Source {
  std::string name;  // As the user wrote it; "-" is standard input.
  os::Fd file;       // Readable. A regular file, or a pipe for "-".
};

// Opens `name`, or takes standard input for "-". Never blocks: a FIFO that is named is refused, not
// opened. kInvalidArgument for what no engine could load: a directory, a device, a native
// executable, precompiled code (which is only ever loaded from the cache), a script, an archive, an
// empty file. Each says what it is and what to do.
Result<Source> OpenSource(const std::string& name);

}  // namespace wasmoor::program
