#include "settings/toml_text.h"

#include <algorithm>
#include <charconv>

namespace wasmoor::settings {
namespace {

constexpr unsigned char kFirstPrintable = 0x20, kDelete = 0x7f;
constexpr size_t kLongQuote = 3;

bool IsBare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendUtf8(uint32_t point, std::string* out) {
  constexpr uint32_t kTwo = 0x80, kThree = 0x800, kFour = 0x10000, kSix = 0x3f;
  const auto rest = [&](int shift) { *out += static_cast<char>(0x80 | ((point >> shift) & kSix)); };
  if (point < kTwo) {
    *out += static_cast<char>(point);
  } else if (point < kThree) {
    *out += static_cast<char>(0xc0 | (point >> 6));
    rest(0);
  } else if (point < kFour) {
    *out += static_cast<char>(0xe0 | (point >> 12));
    rest(6), rest(0);
  } else {
    *out += static_cast<char>(0xf0 | (point >> 18));
    rest(12), rest(6), rest(0);
  }
}

}  // namespace

tl::unexpected<Error> TomlText::Complain(std::string_view what) const {
  return Fail(Code::kInvalidArgument, "{}:{}: {}", source_, line_, what);
}

tl::unexpected<Error> TomlText::Missing(std::string_view what) const {
  constexpr unsigned char kBeyondAscii = 0x80;
  if (!at_end() && static_cast<unsigned char>(rest_.front()) >= kBeyondAscii)
    return Complain("only strings and comments can have letters that are not ASCII");
  return Complain(fmt::format("{} is missing here", what));
}

bool TomlText::Take(std::string_view text) {
  if (!Sees(text)) return false;
  rest_.remove_prefix(text.size());
  return true;
}

Status TomlText::Expect(std::string_view text) {
  if (Take(text)) return {};
  return Missing(fmt::format("'{}'", text));
}

bool TomlText::TakeNewline() {
  if (!Take("\n") && !Take("\r\n")) return false;
  ++line_;
  return true;
}

void TomlText::SkipSpace() {
  rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
}

// In comments and strings: all but what could command a terminal.
Status TomlText::CheckLetter(char c) const {
  const auto letter = static_cast<unsigned char>(c);
  if ((letter >= kFirstPrintable && letter != kDelete) || c == '\t') return {};
  return Complain("there is a control character");
}

Status TomlText::SkipComment() {
  if (!Sees("#")) return {};
  while (!at_end() && !Sees("\n") && !Sees("\r\n")) {
    TRY(CheckLetter(rest_.front()));
    rest_.remove_prefix(1);
  }
  return {};
}

Status TomlText::SkipLines() {
  do {
    SkipSpace();
    TRY(SkipComment());
  } while (TakeNewline());
  return {};
}

Status TomlText::EndLine() {
  SkipSpace();
  TRY(SkipComment());
  if (at_end() || TakeNewline()) return {};
  return Missing("the end of the line");
}

Result<std::string> TomlText::KeyPart() {
  if (SeesString()) {
    if (Sees("\"\"\"") || Sees("'''")) return Complain("a key has one line");
    return SimpleString(rest_.front());
  }
  const size_t size =
      static_cast<size_t>(std::find_if_not(rest_.begin(), rest_.end(), IsBare) - rest_.begin());
  if (size == 0) return Missing("a key");
  std::string key(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return key;
}

Result<std::string> TomlText::String() {
  if (Sees("\"\"\"") || Sees("'''")) return LongString(rest_.substr(0, kLongQuote));
  return SimpleString(rest_.front());
}

Result<std::string> TomlText::SimpleString(char quote) {
  rest_.remove_prefix(1);
  std::string text;
  for (;;) {
    if (at_end() || Sees("\n") || Sees("\r\n"))
      return Complain("a string does not end on its line");
    const char c = rest_.front();
    TRY(CheckLetter(c));
    rest_.remove_prefix(1);
    if (c == quote) return text;
    if (c == '\\' && quote == '"') {
      TRY(TakeEscape(&text));
    } else {
      text += c;
    }
  }
}

Result<std::string> TomlText::LongString(std::string_view quotes) {
  const char quote = quotes.front();
  rest_.remove_prefix(kLongQuote);
  TakeNewline();
  std::string text;
  for (;;) {
    if (at_end()) return Complain("a string does not end");
    if (Sees(quotes)) {
      // It may end with one or two quotes of its own.
      const size_t run = std::min(rest_.find_first_not_of(quote), rest_.size());
      const size_t own = std::min<size_t>(run, kLongQuote + 2) - kLongQuote;
      text.append(own, quote);
      rest_.remove_prefix(own + kLongQuote);
      return text;
    }
    if (TakeNewline()) {
      text += '\n';
      continue;
    }
    const char c = rest_.front();
    TRY(CheckLetter(c));
    rest_.remove_prefix(1);
    if (c == '\\' && quote == '"') {
      // At the end of a line: what follows goes on from its first letter.
      const std::string_view before = rest_;
      SkipSpace();
      if (TakeNewline()) {
        do SkipSpace();
        while (TakeNewline());
      } else {
        rest_ = before;
        TRY(TakeEscape(&text));
      }
    } else {
      text += c;
    }
  }
}

Status TomlText::TakeEscape(std::string* out) {
  constexpr std::string_view kLetters = "btnfr\"\\", kMeanings = "\b\t\n\f\r\"\\";
  constexpr size_t kShort = 4, kLong = 8;
  constexpr uint32_t kFirstSurrogate = 0xd800, kLastSurrogate = 0xdfff, kLast = 0x10ffff;
  if (at_end()) return Complain("a string does not end");
  const char c = rest_.front();
  const size_t known = kLetters.find(c);
  if (known != std::string_view::npos) {
    rest_.remove_prefix(1);
    *out += kMeanings[known];
    return {};
  }
  if (c != 'u' && c != 'U')
    return Complain(
        "'\\' in a string in double quotes must be followed by one of b t n f r \" \\ "
        "u U; in single quotes it is only itself");
  rest_.remove_prefix(1);
  const uint32_t point = TRY(TakeHex(c == 'u' ? kShort : kLong));
  if (point > kLast || (point >= kFirstSurrogate && point <= kLastSurrogate))
    return Complain("there is no such letter");
  AppendUtf8(point, out);
  return {};
}

Result<uint32_t> TomlText::TakeHex(size_t digits) {
  constexpr int kBase = 16;
  uint32_t number = 0;
  if (rest_.size() >= digits) {
    const auto [end, failed] = std::from_chars(rest_.data(), rest_.data() + digits, number, kBase);
    if (failed == std::errc() && end == rest_.data() + digits) {
      rest_.remove_prefix(digits);
      return number;
    }
  }
  return Complain(fmt::format("'\\u' and '\\U' must be followed by {} hexadecimal digits", digits));
}

std::string_view TomlText::Word() {
  const auto is_part = [](char c) { return IsBare(c) || c == '+' || c == '.' || c == ':'; };
  const size_t size =
      static_cast<size_t>(std::find_if_not(rest_.begin(), rest_.end(), is_part) - rest_.begin());
  const std::string_view word = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return word;
}

std::optional<int64_t> ParseTomlInteger(std::string_view word) {
  constexpr int kDecimal = 10;
  constexpr std::pair<std::string_view, int> kBases[] = {{"0x", 16}, {"0o", 8}, {"0b", 2}};
  int base = kDecimal;
  std::string digits;
  for (const auto& [prefix, number] : kBases) {
    if (!word.starts_with(prefix)) continue;
    base = number;
    word.remove_prefix(prefix.size());
    break;
  }
  if (base == kDecimal && (word.starts_with('+') || word.starts_with('-'))) {
    if (word.front() == '-') digits = "-";
    word.remove_prefix(1);
  }
  // An underscore stands between two digits, and no number begins with a needless 0.
  if (base == kDecimal && word.size() > 1 && word.front() == '0') return std::nullopt;
  if (base == kDecimal && (word.empty() || !IsDigit(word.front()))) return std::nullopt;
  if (word.starts_with('_') || word.starts_with('-') || word.ends_with('_') ||
      word.find("__") != std::string_view::npos)
    return std::nullopt;
  std::copy_if(word.begin(), word.end(), std::back_inserter(digits),
               [](char c) { return c != '_'; });
  int64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [at, failed] = std::from_chars(digits.data(), end, number, base);
  if (failed != std::errc() || at != end || digits.empty()) return std::nullopt;
  return number;
}

}  // namespace wasmoor::settings
