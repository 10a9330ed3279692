#include "function/reply.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "function/head.h"

#include "wasmoor/base/ascii.h"

namespace wasmoor::function {
namespace {

constexpr size_t kMostHead = 64 << 10;
constexpr unsigned kLeastStatus = 200, kMostStatus = 599, kFound = 302;
constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
// The connection's own, and the length, which is known better here.
constexpr std::array<std::string_view, 7> kLeftOut = {
    "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"};

bool IsTokenCharacter(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kOthers.find(c) != kOthers.npos;
}

// A field's value without what would end it or be taken for something else (RFC 9110, 5.5).
bool IsValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

struct Line {
  std::string_view name, value;
};

std::optional<Line> ParseLine(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos || colon == 0) return std::nullopt;
  const std::string_view name = line.substr(0, colon);
  if (!std::all_of(name.begin(), name.end(), IsTokenCharacter)) return std::nullopt;
  const std::string_view value = Trim(line.substr(colon + 1));
  if (!IsValue(value)) return std::nullopt;
  return Line{name, value};
}

// "404 Not Found"
std::optional<unsigned> ParseStatus(std::string_view value) {
  unsigned status = 0;
  const char* const end = value.data() + value.size();
  const auto [stopped, failed] = std::from_chars(value.data(), end, status);
  if (failed != std::errc() || (stopped != end && *stopped != ' ')) return std::nullopt;
  if (status < kLeastStatus || status > kMostStatus) return std::nullopt;
  return status;
}

enum class Outcome : uint8_t { kHead, kNone, kMore };

// Whether `output` begins with fields, and those.
Outcome ParseHead(std::string_view output, bool ended, ReplyHead* head) {
  bool is_cgi = false, has_status = false, has_location = false;
  for (size_t at = 0; at < kMostHead;) {
    const size_t end = output.find('\n', at);
    if (end == output.npos) {
      // The part of a line that is there may show already that it is no field.
      const std::string_view begun = output.substr(at);
      const size_t name_end = std::min(begun.find(':'), begun.size());
      const bool may_be =
          std::all_of(begun.begin(), begun.begin() + static_cast<ptrdiff_t>(name_end),
                      [](char c) { return IsTokenCharacter(c) || c == '\r'; });
      return ended || !may_be || output.size() >= kMostHead ? Outcome::kNone : Outcome::kMore;
    }
    std::string_view line = output.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    if (line.empty()) {
      head->body_at = at;
      if (has_location && !has_status) head->status = kFound;
      return is_cgi ? Outcome::kHead : Outcome::kNone;
    }
    const auto field = ParseLine(line);
    if (!field) return Outcome::kNone;
    if (IsSameName(field->name, "status")) {
      const auto status = ParseStatus(field->value);
      if (!status) return Outcome::kNone;
      head->status = *status;
      is_cgi = has_status = true;
      continue;
    }
    has_location |= IsSameName(field->name, "location");
    is_cgi |= has_location || IsSameName(field->name, "content-type");
    if (std::none_of(kLeftOut.begin(), kLeftOut.end(),
                     [&](std::string_view one) { return IsSameName(one, field->name); }))
      head->fields.emplace_back(field->name, field->value);
  }
  return Outcome::kNone;
}

ReplyHead PlainHead() {
  ReplyHead head;
  head.fields.emplace_back("content-type", kPlainText);
  return head;
}

}  // namespace

Result<std::optional<ReplyHead>> ReadReplyHead(Reply form, std::string_view output, bool ended) {
  if (form == Reply::kPlain || form == Reply::kWasmbox) return PlainHead();
  ReplyHead head;
  switch (ParseHead(output, ended, &head)) {
    case Outcome::kHead: return head;
    case Outcome::kMore: return std::nullopt;
    case Outcome::kNone: break;
  }
  if (form == Reply::kAuto) return PlainHead();
  return Fail(Code::kInvalidArgument,
              "its output does not begin with the fields of a CGI response and an empty line");
}

}  // namespace wasmoor::function
