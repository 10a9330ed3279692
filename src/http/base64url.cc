#include "http/base64url.h"

#include <cstdint>

namespace wasmoor::http {

std::optional<std::string> DecodeBase64Url(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr unsigned kBits = 6, kByte = 8;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string bytes;
  uint32_t held = 0;
  unsigned bits = 0;
  for (const char letter : text) {
    const size_t value = kAlphabet.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    held = held << kBits | static_cast<uint32_t>(value);
    bits += kBits;
    if (bits < kByte) continue;
    bits -= kByte;
    bytes += static_cast<char>(held >> bits & 0xff);
  }
  // A letter that is half of a byte, or bits that say nothing.
  if (bits >= kBits || (held & ((1u << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace wasmoor::http
