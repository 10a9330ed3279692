#pragma once

#include <cstddef>

#include "base/checksum.h"
#include "base/sha256.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// Reads a regular file from start to end through a small buffer.
Result<Digest> HashOfFile(const os::Fd& file);

// What files are read through, at a time. Small: the pages of the buffer are faulted in anew in
// every process, which at 16 KiB costs a cached start less than any other size does.
constexpr size_t kReadBuffer = 16 << 10;

}  // namespace wasmoor::wasm
