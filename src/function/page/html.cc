#include "function/page/html.h"

#include <fmt/format.h>

#include "wasmoor/base/printable.h"

namespace wasmoor::function::page {

Html& Html::Text(std::string_view text) {
  Escaped(Printable(text));
  return *this;
}

Html& Html::Lines(std::string_view text) {
  Escaped(Printable(text, wasmoor::Lines::kMany));
  return *this;
}

Html& Html::Number(uint64_t number) {
  fmt::format_to(std::back_inserter(out_), "{}", number);
  return *this;
}

Html& Html::Number(double number) {
  fmt::format_to(std::back_inserter(out_), "{:.2f}", number);
  return *this;
}

void Html::Escaped(std::string_view printable) {
  for (const char c : printable) {
    switch (c) {
      case '&': out_ += "&amp;"; break;
      case '<': out_ += "&lt;"; break;
      case '>': out_ += "&gt;"; break;
      case '"': out_ += "&quot;"; break;
      case '\'': out_ += "&#39;"; break;
      default: out_ += c;
    }
  }
}

std::string Encoded(std::string_view text) {
  constexpr std::string_view kPlain = "-._~/";
  std::string encoded;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (letter || digit || kPlain.find(c) != kPlain.npos) {
      encoded += c;
    } else {
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", static_cast<uint8_t>(c));
    }
  }
  return encoded;
}

}  // namespace wasmoor::function::page
