#pragma once

#include <cstdint>
#include <string>

#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// Removes least recently used entries until at most `max_bytes` remain, never the entry `keep`, and
// what killed processes left behind. Does nothing while somebody else is at it. No failure matters
// to the caller: the next insertion tries again.
void Evict(const os::Fd& directory, uint64_t max_bytes, const std::string& keep);

}  // namespace wasmoor::wasm
