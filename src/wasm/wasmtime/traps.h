#pragma once

#include "wasm/wasmtime/handles.h"
#include "wasmoor/wasm/exit.h"

namespace wasmoor::wasm::wasmtime {

Trap TrapFrom(const wasm_trap_t& trap);
Trap TrapFrom(const wasmtime_error_t& error);  // Components report their traps as errors.

// Was the guest running when this happened?
bool HasFrames(const wasmtime_error_t& error);

}  // namespace wasmoor::wasm::wasmtime
