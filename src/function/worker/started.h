#pragma once

#include <string_view>

// What both ends of a worker's start go by.
namespace wasmoor::function {

constexpr int kWorkerControl = 3;   // The descriptor that it is started with.
constexpr char kLineMark = '\x1e';  // Around a function's name, before what its guests say.
constexpr std::string_view kReadOnlyTree = "r";             // The payload of such a kTree.
constexpr std::string_view kWorkerSeats = "wasmoor-lanes";  // As the server's own.

}  // namespace wasmoor::function
