#pragma once

#include <string_view>

namespace wasmoor::wasi {

// Whether `text` is well-formed UTF-8 (Unicode 15, table 3-7): no overlong form, no surrogate,
// nothing beyond U+10FFFF.
bool IsUtf8(std::string_view text);

}  // namespace wasmoor::wasi
