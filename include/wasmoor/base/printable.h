#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wasmoor {

enum class Lines : uint8_t { kOne, kMany };

// `text` with what could command a terminal or deceive a reader written as \xNN or \u{NNNN}:
// control characters (but newline and tab, if kMany), the marks that turn the direction of text,
// and bytes that are not UTF-8. For everything that comes out of somebody else's file.
std::string Printable(std::string_view text, Lines lines = Lines::kOne);

// RFC 3629: without overlong forms and surrogates.
bool IsUtf8(std::string_view text);

}  // namespace wasmoor
