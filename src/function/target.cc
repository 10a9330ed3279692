#include "function/target.h"

#include <algorithm>

#include "wasmoor/base/percent.h"

namespace wasmoor::function {
namespace {

constexpr std::string_view kScheme = "://";

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

Result<std::string> DecodeSegment(std::string_view text) {
  for (size_t at = text.find('%'); at != text.npos; at = text.find('%', at + 1)) {
    if (text.size() - at < 3 || !IsHexDigit(text[at + 1]) || !IsHexDigit(text[at + 2]))
      return Fail(Code::kInvalidArgument, "the path has a '%' that begins no escape");
  }
  std::string decoded = DecodePercents(text);
  if (decoded == "." || decoded == "..")
    return Fail(Code::kInvalidArgument, "the path has a segment '{}'", decoded);
  if (decoded.find('\0') != decoded.npos || decoded.find('/') != decoded.npos)
    return Fail(Code::kInvalidArgument, "the path hides a NUL or a slash in an escape");
  return decoded;
}

}  // namespace

Result<Target> ParseTarget(std::string_view text) {
  // What is asked of a proxy, and of servers by some clients.
  if (!text.starts_with('/')) {
    const size_t scheme = text.find(kScheme);
    const size_t path = scheme == text.npos ? text.npos : text.find('/', scheme + kScheme.size());
    if (path == text.npos) return Fail(Code::kInvalidArgument, "the target has no path");
    text.remove_prefix(path);
  }
  Target target;
  const size_t question = text.find('?');
  target.path = text.substr(0, question);
  if (question != text.npos) target.query = text.substr(question + 1);
  std::string_view rest = target.path.substr(1);
  for (;;) {
    const size_t slash = rest.find('/');
    target.segments.push_back(TRY(DecodeSegment(rest.substr(0, slash))));
    if (slash == rest.npos) return target;
    rest.remove_prefix(slash + 1);
  }
}

std::string Target::Rest(size_t first) const {
  std::string rest;
  for (size_t i = first; i < segments.size(); ++i) rest += "/" + segments[i];
  return rest;
}

size_t Target::PrefixSize(size_t count) const {
  size_t end = 0;
  for (; count > 0 && end < path.size(); --count) {
    end = path.find('/', end + 1);
    if (end == path.npos) return path.size();
  }
  return end;
}

std::string Target::Below(size_t count) const {
  std::string below(path.substr(PrefixSize(count)));
  if (below.empty()) below += '/';
  if (!query.empty()) below.append("?").append(query);
  return below;
}

std::vector<std::string> QueryArguments(std::string_view query) {
  std::vector<std::string> arguments;
  while (!query.empty()) {
    const size_t end = query.find('&');
    std::string one(query.substr(0, end));
    query.remove_prefix(end == query.npos ? query.size() : end + 1);
    std::replace(one.begin(), one.end(), '+', ' ');
    one = DecodePercents(one);
    std::erase(one, '\0');
    if (!one.empty()) arguments.push_back(std::move(one));
  }
  return arguments;
}

std::vector<std::string> QueryValues(std::string_view query) {
  std::vector<std::string> values = QueryArguments(query);
  for (std::string& one : values) one.erase(0, one.find('=') + 1);
  return values;
}

}  // namespace wasmoor::function
