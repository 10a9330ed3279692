#include "wasi/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace wasmoor::wasi {
namespace {

// What may follow a first byte: how many bytes, and the range of the first of them. The range is
// what keeps overlong forms, surrogates and numbers beyond U+10FFFF out.
struct Tail {
  int count;
  uint8_t low, high;
};

Tail TailOf(uint8_t first) {
  if (first >= 0xc2 && first <= 0xdf) return {1, 0x80, 0xbf};
  if (first == 0xe0) return {2, 0xa0, 0xbf};
  if (first == 0xed) return {2, 0x80, 0x9f};
  if (first >= 0xe1 && first <= 0xef) return {2, 0x80, 0xbf};
  if (first == 0xf0) return {3, 0x90, 0xbf};
  if (first >= 0xf1 && first <= 0xf3) return {3, 0x80, 0xbf};
  if (first == 0xf4) return {3, 0x80, 0x8f};
  return {0, 0, 0};
}

}  // namespace

bool IsUtf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const size_t size = text.size();
  for (size_t i = 0; i < size;) {
    uint64_t word = 0;
    if (size - i >= sizeof(word)) {
      std::memcpy(&word, bytes + i, sizeof(word));
      if ((word & 0x8080808080808080u) == 0) {
        i += sizeof(word);
        continue;
      }
    }
    if (bytes[i] < 0x80) {
      ++i;
      continue;
    }
    const Tail tail = TailOf(bytes[i]);
    if (tail.count == 0 || size - i <= static_cast<size_t>(tail.count)) return false;
    if (bytes[i + 1] < tail.low || bytes[i + 1] > tail.high) return false;
    for (int k = 2; k <= tail.count; ++k) {
      if ((bytes[i + k] & 0xc0) != 0x80) return false;
    }
    i += 1 + tail.count;
  }
  return true;
}

}  // namespace wasmoor::wasi
