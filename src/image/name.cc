#include "wasmoor/image/name.h"

#include <algorithm>
#include <vector>

#include "wasmoor/base/printable.h"

namespace wasmoor::image {
namespace {

constexpr std::string_view kUsualDomain = "docker.io";
constexpr std::string_view kUsualFolder = "library/";  // Of the usual domain's own images.
constexpr std::string_view kUsualTag = "latest";
constexpr size_t kMostOfName = 255, kMostOfTag = 128;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsWord(char c) { return IsLower(c) || IsUpper(c) || IsDigit(c) || c == '_'; }

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (size_t end; (end = text.find(at)) != std::string_view::npos; text.remove_prefix(end + 1))
    parts.push_back(text.substr(0, end));
  parts.push_back(text);
  return parts;
}

// Lower case letters and digits, with ".", "_", "__" or any number of "-" between two of them.
bool IsPathComponent(std::string_view text) {
  bool between = true;  // Nothing, or a separator, stands before.
  while (!text.empty()) {
    if (IsLower(text.front()) || IsDigit(text.front())) {
      text.remove_prefix(1);
      between = false;
      continue;
    }
    if (between) return false;
    size_t length = text.find_first_not_of(text.front());
    if (length == std::string_view::npos) return false;
    const size_t most = text.front() == '-' ? length : text.front() == '_' ? 2 : 1;
    if (length > most || std::string_view("-_.").find(text.front()) == std::string_view::npos)
      return false;
    text.remove_prefix(length);
    between = true;
  }
  return !between;
}

// Labels of letters, digits and "-" with dots between them, and perhaps a port.
bool IsDomain(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || !std::all_of(port.begin(), port.end(), IsDigit)) return false;
    text = text.substr(0, colon);
  }
  const auto labels = Split(text, '.');
  return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(),
                       [](char c) { return c == '-' || (c != '_' && IsWord(c)); });
  });
}

// What tells a registry from a folder of the usual one.
bool LooksLikeDomain(std::string_view text) {
  return text == "localhost" || text.find_first_of(".:") != std::string_view::npos ||
         std::any_of(text.begin(), text.end(), IsUpper);
}

bool IsTag(std::string_view text) {
  return !text.empty() && text.size() <= kMostOfTag && IsWord(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsWord(c) || c == '.' || c == '-'; });
}

}  // namespace

Result<std::string> FullName(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, "'{}' is no name of an image: {}", Printable(text), why);
  };
  if (text.find('@') != std::string_view::npos)
    return refuse("a digest follows from what is in it; give a tag");
  std::string_view path = text, domain = kUsualDomain, tag = kUsualTag;
  const size_t slash = path.find('/');
  if (slash != std::string_view::npos && LooksLikeDomain(path.substr(0, slash))) {
    domain = path.substr(0, slash);
    path.remove_prefix(slash + 1);
  }
  if (const size_t colon = path.find(':'); colon != std::string_view::npos) {
    tag = path.substr(colon + 1);
    path = path.substr(0, colon);
  }
  if (!IsDomain(domain)) return refuse("its registry is no name of a host");
  if (!IsTag(tag))
    return refuse("a tag has letters, digits, '_', '.' and '-', and at most 128 of them");
  std::string full(domain);
  full += '/';
  if (domain == kUsualDomain && path.find('/') == std::string_view::npos) full += kUsualFolder;
  full += path;
  const auto components = Split(path, '/');
  if (!std::all_of(components.begin(), components.end(), IsPathComponent))
    return refuse(
        "between its slashes stand lower case letters and digits, with '.', '_' or '-' "
        "between them");
  if (full.size() > kMostOfName) return refuse("it has more than 255 characters");
  return fmt::format("{}:{}", full, tag);
}

Result<Platform> ParsePlatform(std::string_view text) {
  const auto parts = Split(text, '/');
  const auto is_word = [](std::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(),
                                        [](char c) { return IsWord(c) || c == '.' || c == '-'; });
  };
  if (parts.size() < 2 || parts.size() > 3 || !std::all_of(parts.begin(), parts.end(), is_word))
    return Fail(
        Code::kInvalidArgument,
        "'{}': must be an operating system and an architecture, as linux/amd64 or wasi/wasm",
        Printable(text));
  return Platform{std::string(parts[0]), std::string(parts[1]),
                  std::string(parts.size() == 3 ? parts[2] : "")};
}

std::string ToString(const Platform& platform) {
  std::string text = fmt::format("{}/{}", platform.os, platform.architecture);
  if (!platform.variant.empty()) text += '/' + platform.variant;
  return text;
}

}  // namespace wasmoor::image
