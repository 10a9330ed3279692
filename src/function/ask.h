#pragma once

#include "function/head.h"
#include "wasmoor/base/result.h"
#include "wasmoor/function/server.h"

namespace wasmoor::function {

// The fields of a request by which it asks for other than `usual`: cpu_quota (millicores) and
// Memory-Request (MB, of 2^20 bytes) as WasmBox has them, Request-Timeout (seconds, or "250ms"). At
// most `most` of each, of time without a word. kInvalidArgument names the field that is no number
// greater than 0, is there twice, or asks for more than there is.
Result<Allowance> ReadAllowance(const Head& head, const Allowance& usual, const Allowance& most);

}  // namespace wasmoor::function
