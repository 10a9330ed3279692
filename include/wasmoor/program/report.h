#pragma once

#include <string>
#include <string_view>

#include "wasmoor/wasm/exit.h"

namespace wasmoor::program {

// What a person is told of a trap: whole lines, in which nothing of the module's commands a
// terminal or passes for a line of ours.
std::string TrapText(std::string_view file, const wasm::Trap& trap);

}  // namespace wasmoor::program
