#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wasmoor::function {

// What WasmBox's clients send and are told.

// What it puts before each program's output.
constexpr std::string_view kWasmBoxPrefix = "WASM output: ";

// What a program gets to read of a body {"parameter": "TEXT"}; nothing if the body is no such
// object, and is to be read as it is.
std::optional<std::string> WasmboxParameter(std::string_view body);

// The fields of each reply: times in whole milliseconds. No group is made for a request, so that
// takes no time.
std::vector<std::pair<std::string, std::string>> WasmboxFields(std::chrono::nanoseconds execution,
                                                               uint64_t requests,
                                                               std::string_view pod);

}  // namespace wasmoor::function
