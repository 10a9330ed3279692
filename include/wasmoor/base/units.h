#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

// Sizes and durations as people write and read them.
namespace wasmoor {

// "64MiB", "64M", "1.5GB", "4096": bytes. K, M, G, T and KiB… are powers of 1024 (as the tools of
// containers have them), KB, MB, GB, TB powers of 1000. kInvalidArgument says what is wrong.
Result<uint64_t> ParseSize(std::string_view text);

// "500ms", "2s", "1.5m", "1h", "2" (seconds, as timeout(1)). Not negative, at most a hundred years.
Result<std::chrono::nanoseconds> ParseDuration(std::string_view text);

std::string FormatSize(uint64_t bytes);                         // "1.2 MiB"
std::string FormatDuration(std::chrono::nanoseconds duration);  // "1.3 ms"

}  // namespace wasmoor
