#include "wasmoor/base/percent.h"

#include <charconv>
#include <cstdint>

namespace wasmoor {

std::string DecodePercents(std::string_view text) {
  constexpr size_t kDigits = 2;
  constexpr int kHexadecimal = 16;
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && text.size() - i > kDigits) {
      const char* const first = text.data() + i + 1;
      uint8_t byte = 0;
      const auto [end, failed] = std::from_chars(first, first + kDigits, byte, kHexadecimal);
      if (failed == std::errc() && end == first + kDigits) {
        decoded += static_cast<char>(byte);
        i += kDigits;
        continue;
      }
    }
    decoded += text[i];
  }
  return decoded;
}

}  // namespace wasmoor
