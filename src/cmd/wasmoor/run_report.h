#pragma once

#include <string>
#include <string_view>

#include "wasmoor/base/error.h"
#include "wasmoor/wasm/exit.h"

namespace wasmoor::cmd {

// How a run that did not go well is told on standard error. Whole lines; JSON is one object on one line.

// {"error": sentence, "code": "not_found", "file": FILE}
std::string ErrorJson(std::string_view file, const Error& error);

std::string TrapText(std::string_view file, const wasm::Trap& trap);
// {"error": …, "code": "trap", "file": …, "trap": "unreachable", "frames": [{"function", "index", "offset"}]}
std::string TrapJson(std::string_view file, const wasm::Trap& trap);

}  // namespace wasmoor::cmd
