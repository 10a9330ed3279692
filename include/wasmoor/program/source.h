#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::program {

// A file that may be run: open, and looked at closely enough to say in plain words why it cannot be
// WebAssembly where that is so.
struct Source {
  std::string name;  // As the user wrote it; "-" is standard input.
  os::Fd file;       // Readable, a regular file: what came through a pipe is in one in memory.
};

// Opens `name`, or takes standard input for "-", which alone is waited for: a FIFO that is named is
// refused, not opened. kInvalidArgument for what no engine could load: a directory, a device, a
// native executable, precompiled code (which is only ever loaded from the cache), a script, an
// archive, an empty file. Each says what it is and what to do.
Result<Source> OpenSource(const std::string& name);

// The same of a file that is open already, by whatever name.
Result<Source> TakeSource(std::string name, os::Fd file);

constexpr uint64_t kMaxModuleBytes = uint64_t{1} << 30;

// All of it; kInvalidArgument beyond kMaxModuleBytes. The message names the source.
Result<std::vector<uint8_t>> ReadSource(const Source& source);

}  // namespace wasmoor::program
