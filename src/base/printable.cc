#include "wasmoor/base/printable.h"

#include <fmt/format.h>

#include <algorithm>

namespace wasmoor {
namespace {

struct CodePoint {
  char32_t value = 0;
  size_t bytes = 0;  // 0: not UTF-8.
};

// The code point that `text` begins with. Overlong forms and surrogates are none (RFC 3629).
CodePoint Decode(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return {first, 1};
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {};
  char32_t value = first & (0x7f >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (at(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, size};
}

bool IsControl(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }

// Unicode's marks, embeddings and overrides of direction, and its separators of lines.
bool IsDeceptive(char32_t c) {
  return c == 0x200e || c == 0x200f || c == 0x061c || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = Decode(text).bytes;
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string Printable(std::string_view text, Lines lines) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = Decode(text);
    const size_t bytes = std::max<size_t>(1, point.bytes);
    const bool kept = lines == Lines::kMany && (point.value == '\n' || point.value == '\t');
    if (point.bytes == 0 || (IsControl(point.value) && !kept)) {
      for (char c : text.substr(0, bytes))
        printable += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else if (IsDeceptive(point.value)) {
      printable += fmt::format("\\u{{{:x}}}", static_cast<uint32_t>(point.value));
    } else {
      printable += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return printable;
}

}  // namespace wasmoor
