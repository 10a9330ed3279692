#pragma once

#include <string>
#include <string_view>

#include "function/page/call.h"
#include "wasmoor/base/result.h"

// How the page's script writes a call, and reads what came of it: a line of JSON, and after it the
// body, byte by byte.
//
//     {"method": "POST", "target": "/hello?a=1", "fields": [["accept", "*/*"]]}
//     {"status": 200, "fields": [["content-type", "text/plain"]], "end": "whole", "seconds": 0.001}
namespace wasmoor::function::page {

constexpr size_t kMostCallHead = 64 << 10, kMostCallBody = 4 << 20;
constexpr size_t kMostReplyBody = 1 << 20;  // Of which as much is shown.

// kInvalidArgument says which part of it could not stand in a request.
Result<CallRequest> ReadCall(std::string_view text);

std::string WriteReply(const CallReply& reply);

}  // namespace wasmoor::function::page
