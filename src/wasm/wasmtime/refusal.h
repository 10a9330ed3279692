#pragma once

#include "wasmoor/base/result.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::wasm::wasmtime {

// Why the compiler refused a module, with the feature named that it needs and `enabled` lacks, if
// that is the reason. The engine's own words name most features in a way that no flag does.
Error ExplainRefusal(Error error, const Features& enabled);

// Why precompiled code did not load. Code that the pool has no room for is sound, and a cache must
// not take it for damaged.
Error ExplainLoadFailure(Error error);

}  // namespace wasmoor::wasm::wasmtime
