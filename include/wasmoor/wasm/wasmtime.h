#pragma once

#include <cstdint>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm {

// The engine wasmtime, of the version that its own name for it says. One of Sharing::kManyGuests
// installs a handler for SIGURG that does nothing (the signal interrupts blocked system calls of guests
// that are to end) and keeps one thread; one of kOneGuest does neither. Either installs wasmtime's
// handlers for SIGSEGV, SIGILL and SIGFPE, which pass on what no guest caused.
EngineFactory WasmtimeFactory();

// The binary of a module or component in the text format (.wat). kInvalidArgument says in which line
// it is not that.
Result<std::vector<uint8_t>> WasmtimeBinaryFromText(Bytes text);

}  // namespace wasmoor::wasm
