#pragma once

#include "wasm/wasmtime/component.h"
#include "wasm/wasmtime/handles.h"

namespace wasmoor::wasm::wasmtime {

// The component of code that a compiler of ours made. kDataLoss if it is not that, for this engine.
Result<ComponentHandle> LoadComponent(wasm_engine_t* engine, const ComponentCode& code);

}  // namespace wasmoor::wasm::wasmtime
