#pragma once

#include <cstdint>

namespace wasmoor::wasm::wasmtime {

// How many bytes of stack the calling thread has left.
uint64_t StackLeft();

}  // namespace wasmoor::wasm::wasmtime
