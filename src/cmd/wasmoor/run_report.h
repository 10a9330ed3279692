#pragma once

#include <string>
#include <string_view>

#include "wasmoor/base/error.h"
#include "wasmoor/wasm/exit.h"

namespace wasmoor::cmd {

// What a run says on standard error. Whole lines; JSON is one object on one line.

// {"error": sentence, "code": "not_found", "file": FILE}
std::string ErrorJson(std::string_view file, const Error& error);

std::string ListeningJson(std::string_view address);  // {"listening": "127.0.0.1:40001"}

// {"error": …, "code": "trap", "file": …, "trap": "unreachable", "frames": [{"function", "index",
// "offset"}]}
std::string TrapJson(std::string_view file, const wasm::Trap& trap);

}  // namespace wasmoor::cmd
