#pragma once

#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::container {

// The module of `source`: from the first cache of the options that can keep something, if it is
// there; else compiled into it by another process, which is waited for. So this process never
// compiles, which would give it threads, and code is loaded from a verified cache only. After
// baseline code, which a large module runs on at first, another process makes the optimized code in
// the background, for the next start.
//
// kFailedPrecondition: nothing can be kept anywhere; each reason is named.
Result<wasm::Cache::Found> LoadModule(const WasmOptions& options, const wasm::Engine& engine,
                                      const program::Source& source);

}  // namespace wasmoor::container
