#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wasmoor::function::page {

// Markup, which stands in the source: no text that came from elsewhere can become one.
class Markup {
 public:
  consteval Markup(const char* text) : text_(text) {}  // NOLINT(google-explicit-constructor)
  constexpr std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// A document that is being written. What is not Markup is escaped, as it must be in an element and
// between double quotes in a tag alike, and what could deceive a reader or is no UTF-8 is written
// out (Printable).
class Html {
 public:
  Html& Raw(Markup markup) {
    out_ += markup.text();
    return *this;
  }
  Html& Text(std::string_view text);
  Html& Lines(std::string_view text);  // Keeps newlines and tabs.
  Html& Number(uint64_t number);       // As 12345.
  Html& Number(double number);         // With two places behind the point, as 1.25.

  std::string Take() { return std::move(out_); }

 private:
  void Escaped(std::string_view printable);
  std::string out_;
};

// `text` as part of a URL's query: what is no letter, no digit and none of "-._~/" as %XX (RFC
// 3986, section 2.1).
std::string Encoded(std::string_view text);

}  // namespace wasmoor::function::page
