#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace wasmoor::telemetry {

// Two digits a byte, in lower case, as both Trace Context and OTLP's JSON have ids.
std::string ToHex(std::span<const uint8_t> bytes);
// False unless `text` is exactly that, of as many bytes.
bool FromHex(std::string_view text, std::span<uint8_t> bytes);

}  // namespace wasmoor::telemetry
