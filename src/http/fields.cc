#include "http/fields.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace wasmoor::http {
namespace {

// What a byte may stand in.
enum Place : uint8_t { kInToken = 1, kInValue = 2, kInTarget = 4 };

constexpr std::array<uint8_t, 256> kPlaces = [] {
  std::array<uint8_t, 256> places = {};
  constexpr unsigned kDelete = 0x7f;
  for (unsigned byte = 0; byte < places.size(); ++byte) {
    const bool digit = byte >= '0' && byte <= '9';
    const bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
    const bool sign =
        byte < kDelete &&
        std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) != std::string_view::npos;
    if (digit || letter || sign) places[byte] |= kInToken;
    if ((byte >= ' ' && byte != kDelete) || byte == '\t') places[byte] |= kInValue;
    if (byte > ' ' && byte != kDelete) places[byte] |= kInTarget;
  }
  return places;
}();

bool AllIn(std::string_view text, Place place) {
  // Without a branch a byte: what is wrong is rare.
  uint8_t places = 0xff;
  for (const char byte : text) places &= kPlaces[static_cast<uint8_t>(byte)];
  return (places & place) != 0;
}

char Lower(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte; }

}  // namespace

bool SameText(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return Lower(a) == Lower(b); });
}

Known Identify(std::string_view name) {
  const auto is = [name](std::string_view known, Known which) {
    return SameText(name, known) ? which : Known::kOther;
  };
  // Their lengths are nearly all different.
  switch (name.size()) {
    case 4: return Lower(name[0]) == 'h' ? is("host", Known::kHost) : is("date", Known::kDate);
    case 6:
      return Lower(name[0]) == 'e' ? is("expect", Known::kExpect) : is("cookie", Known::kCookie);
    case 7: return is("upgrade", Known::kUpgrade);
    case 10:
      return Lower(name[0]) == 'c' ? is("connection", Known::kConnection)
                                   : is("keep-alive", Known::kKeepAlive);
    case 14:
      return Lower(name[0]) == 'c' ? is("content-length", Known::kContentLength)
                                   : is("http2-settings", Known::kHttp2Settings);
    case 16: return is("proxy-connection", Known::kProxyConnection);
    case 17: return is("transfer-encoding", Known::kTransferEncoding);
    default: return Known::kOther;
  }
}

bool IsToken(std::string_view text) { return !text.empty() && AllIn(text, kInToken); }
bool IsValue(std::string_view text) { return AllIn(text, kInValue); }
bool IsTarget(std::string_view text) { return !text.empty() && AllIn(text, kInTarget); }

std::string_view Trim(std::string_view text) {
  const auto is_space = [](char byte) { return byte == ' ' || byte == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool ListHas(std::string_view list, std::string_view token) {
  for (;;) {
    const size_t comma = list.find(',');
    if (SameText(Trim(list.substr(0, comma)), token)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

std::optional<uint64_t> ParseLength(std::string_view text) {
  uint64_t length = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, length);
  if (failed != std::errc() || rest != end) return std::nullopt;
  return length;
}

bool HasBody(unsigned status) {
  constexpr unsigned kFirstFinal = 200, kNoContent = 204;
  return status >= kFirstFinal && status != kNoContent && status != kNotModified;
}

}  // namespace wasmoor::http
