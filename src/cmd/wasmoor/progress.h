#pragma once

#include <cstdint>

#include "wasmoor/wasm/options.h"

namespace wasmoor::cmd {

// On a terminal, a line on standard error that shows that a large module is being compiled and for
// how long; nothing elsewhere, nor for small modules. ShowProgress starts it, HideProgress takes it
// away again. Main thread.
void ShowProgress(wasm::Tier tier, uint64_t wasm_bytes);
void HideProgress();

}  // namespace wasmoor::cmd
