#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

// What containerd gives and takes at the standard streams: one message, until the end.
namespace wasmoor::cmd {

// Nothing if it is a terminal.
Result<std::vector<uint8_t>> ReadStandardInput();
Status WriteStandardOutput(std::string_view bytes);

}  // namespace wasmoor::cmd
