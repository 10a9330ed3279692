#pragma once

#include <cstddef>
#include <string_view>

#include "wasmoor/base/result.h"

// Requests and responses whose payloads are written into their place, and not copied there.
namespace wasmoor::ttrpc {

// The size of a field that holds `payload` bytes, by its number up to 15. An empty one is left out.
size_t FieldSize(size_t payload);
// Writes its head to `out`, and returns where the payload goes. Nothing if that is empty.
char* WriteFieldHead(int number, size_t payload, char* out);

// The text of an error as a message of protobuf may have it: UTF-8, and of a size to be read.
std::string WireText(const Error& error);

// "4194400 bytes are more than the 4194304 of a frame"
Error TooLong(std::string_view what, size_t bytes);

}  // namespace wasmoor::ttrpc
