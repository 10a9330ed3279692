#pragma once

#include <string>

#include "function/front.h"

namespace wasmoor::function {

// One request as a line of JSON, for machines that read logs; with its newline.
std::string AccessLine(const RequestReport& report);

}  // namespace wasmoor::function
