#include <algorithm>
#include <charconv>

#include "wasmoor/base/units.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::serve {
namespace {

constexpr std::string_view kListen = "WASMOOR_HTTP_LISTEN",
                           kListenOfOthers = "WASMTIME_HTTP_PROXY_SOCKET_ADDR",
                           kAllow = "WASMOOR_HTTP_ALLOW", kTimeout = "WASMOOR_HTTP_TIMEOUT",
                           kGrace = "WASMOOR_HTTP_GRACE", kRequests = "WASMOOR_HTTP_REQUESTS",
                           kBody = "WASMOOR_HTTP_BODY";
constexpr std::string_view kNobody = "none", kEverybody = "*";
constexpr uint32_t kMostRequests = 10'000;

const std::string* Find(Variables environment, std::string_view name) {
  for (const auto& [key, value] : environment) {
    if (key == name) return &value;
  }
  return nullptr;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* out) {
  const char* const end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, *out);
  return failed == std::errc() && rest == end && !text.empty();
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char one) {
    return one >= 'A' && one <= 'Z' ? static_cast<char>(one - 'A' + 'a') : static_cast<char>(one);
  });
  return lower;
}

// "host", "host:80", "[::1]:80", "*.example.com", "*", "*:443".
Result<Destination> ParseDestination(std::string_view text) {
  Destination destination;
  std::string_view host = text, port;
  const size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (colon != std::string_view::npos && (!bracketed || text[colon - 1] == ']')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (!ParseNumber(port, &destination.port) || destination.port == 0)
      return Fail(Code::kInvalidArgument, "'{}' has no port after its ':'", text);
  }
  if (bracketed) {
    if (!host.ends_with(']'))
      return Fail(Code::kInvalidArgument, "'{}' has no closing bracket", text);
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) return Fail(Code::kInvalidArgument, "'{}' names no host", text);
  destination.host = Lower(host);
  return destination;
}

Result<std::vector<Destination>> ParseAllowed(std::string_view text) {
  std::vector<Destination> allowed;
  if (text == kNobody) return allowed;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view one = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!one.empty()) allowed.push_back(TRY(ParseDestination(one)));
  }
  return allowed;
}

Status ReadTime(Variables environment, std::string_view name, std::chrono::milliseconds* out) {
  const std::string* const text = Find(environment, name);
  if (text == nullptr || text->empty()) return {};
  *out = std::chrono::duration_cast<std::chrono::milliseconds>(
      TRY_AS(ParseDuration(*text), "{}", name));
  return {};
}

bool Holds(std::span<const Destination> destinations, std::string_view host, uint16_t port) {
  const std::string name = Lower(host);
  return std::any_of(destinations.begin(), destinations.end(), [&](const Destination& one) {
    if (one.port != 0 && one.port != port) return false;
    if (one.host == kEverybody || one.host == name) return true;
    // "*.example.com": what ends with ".example.com".
    return one.host.starts_with("*.") && name.size() > one.host.size() - 1 &&
           name.ends_with(std::string_view(one.host).substr(1));
  });
}

}  // namespace

Result<Settings> SettingsFrom(Variables environment, Settings defaults) {
  Settings settings = std::move(defaults);
  for (const std::string_view name : {kListenOfOthers, kListen}) {
    const std::string* const address = Find(environment, name);
    if (address != nullptr && !address->empty()) settings.listen = *address;
  }
  if (const std::string* const text = Find(environment, kAllow))
    settings.allowed = TRY_AS(ParseAllowed(*text), "{}", kAllow);
  TRY(ReadTime(environment, kTimeout, &settings.request_time));
  TRY(ReadTime(environment, kGrace, &settings.grace));
  if (const std::string* const text = Find(environment, kRequests);
      text != nullptr && (!ParseNumber(*text, &settings.requests) || settings.requests == 0 ||
                          settings.requests > kMostRequests))
    return Fail(Code::kInvalidArgument, "{}: '{}' is not a number from 1 to {}", kRequests, *text,
                kMostRequests);
  if (const std::string* const text = Find(environment, kBody))
    settings.http.body_bytes = TRY_AS(ParseSize(*text), "{}", kBody);
  return settings;
}

Result<std::vector<Destination>> ParseDestinations(std::span<const std::string> texts) {
  std::vector<Destination> all;
  for (const std::string& text : texts) all.push_back(TRY(ParseDestination(text)));
  return all;
}

bool Settings::MayAskSomebody() const {
  return !allowed.empty() && (!at_most || !at_most->empty());
}

bool Settings::MayAsk(std::string_view host, uint16_t port) const {
  return Holds(allowed, host, port) && (!at_most || Holds(*at_most, host, port));
}

}  // namespace wasmoor::serve
