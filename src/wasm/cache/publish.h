#pragma once

#include <cstdint>
#include <span>

#include "wasm/cache/entry.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// Puts an entry into the directory, all at once: until it is complete it has no name that anybody
// looks for. If somebody else has put the same one there meanwhile, theirs stays.
Status Publish(const os::Fd& directory, std::span<const uint8_t> code, const CodeInfo& info,
               const EntryKey& key);

}  // namespace wasmoor::wasm
