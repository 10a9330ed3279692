#pragma once

#include "wasmoor/base/result.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::function {

// The same directory with a descriptor of its own: each guest closes what it has.
Result<wasi::Preopen> CopyOf(const wasi::Preopen& preopen);

}  // namespace wasmoor::function
