#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

namespace wasmoor::settings {

// The letters of a TOML document (toml.io, v1.0.0), from its start to its end: what stands between
// the things that it says, strings, and words. Every function takes what it is named after, or
// fails where it stands. The document is UTF-8, and may be hostile; nothing here calls itself.
class TomlText {
 public:
  TomlText(std::string_view document, std::string_view source) : rest_(document), source_(source) {}

  bool at_end() const { return rest_.empty(); }
  bool Sees(std::string_view text) const { return rest_.starts_with(text); }
  int line() const { return line_; }

  // kInvalidArgument, with the source and the line.
  tl::unexpected<Error> Complain(std::string_view what) const;
  // The same where something else comes.
  tl::unexpected<Error> Missing(std::string_view what) const;

  bool Take(std::string_view text);  // If it is what comes; nothing that has a newline in it.
  Status Expect(std::string_view text);
  void SkipSpace();    // Spaces and tabs.
  Status SkipLines();  // Spaces, comments and ends of lines.
  Status EndLine();    // Nothing but a comment, and the end of the line or of all.

  // A part of a key: bare, or a string in simple quotes.
  Result<std::string> KeyPart();
  bool SeesString() const { return Sees("\"") || Sees("'"); }
  Result<std::string> String();
  // What a value without quotes consists of; it may be no value.
  std::string_view Word();

 private:
  Status SkipComment();
  bool TakeNewline();
  Status CheckLetter(char c) const;
  Result<std::string> SimpleString(char quote);
  Result<std::string> LongString(std::string_view quotes);
  Status TakeEscape(std::string* out);
  Result<uint32_t> TakeHex(size_t digits);

  std::string_view rest_;
  const std::string_view source_;
  int line_ = 1;
};

// "42", "-1_000", "0xff", "0o755", "0b1"; nothing if it is not that, or does not fit.
std::optional<int64_t> ParseTomlInteger(std::string_view word);

}  // namespace wasmoor::settings
