#pragma once

#include <cstdint>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm {

// The engine wasmtime, of the version that its own name for it says. With its first guest, one of
// Sharing::kManyGuests
// installs a handler for SIGURG that does nothing (the signal interrupts blocked system calls of
// guests that are to end), unblocks that signal on every thread that runs a guest, and keeps one
// thread; one of kOneGuest does none of it. A component's WASI keeps threads of its own, one a CPU,
// from the first component on, and one that is ended while it opens or reads a file that never
// answers (a FIFO) leaves its thread behind until the file does. Either installs wasmtime's
// handlers for SIGSEGV, SIGILL and SIGFPE, which pass on what no guest caused.
EngineFactory WasmtimeFactory();

// The binary of a module or component in the text format (.wat). kInvalidArgument says in which
// line it is not that.
Result<std::vector<uint8_t>> WasmtimeBinaryFromText(Bytes text);

}  // namespace wasmoor::wasm
