#pragma once

#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

namespace wasmoor::os {

// The number of a signal as people and callers of runtimes write it: "SIGTERM", "TERM", "term",
// "15", "RTMIN", "SIGRTMIN+3", "RTMAX-1". kInvalidArgument for what is none of 1 to 64.
Result<int> ParseSignal(std::string_view text);

// "SIGTERM", "SIGRTMIN+3"; the number itself where it has no name.
std::string SignalName(int signal);

}  // namespace wasmoor::os
