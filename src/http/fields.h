#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "wasmoor/http/server.h"

// What is the same of fields in every version of HTTP (RFC 9110, section 5).
namespace wasmoor::http {

// Fields that mean something to a server itself.
enum class Known : uint8_t {
  kOther,
  kHost,
  kContentLength,
  kDate,
  kExpect,
  kCookie,
  // The connection's own (RFC 9110, section 7.6.1, and RFC 7540, section 3.2.1).
  kConnection,
  kKeepAlive,
  kProxyConnection,
  kTransferEncoding,
  kUpgrade,
  kHttp2Settings,
};

Known Identify(std::string_view name);  // In letters of either case.
inline bool IsOfConnection(Known field) { return field >= Known::kConnection; }

// Letters of ASCII in either case are the same.
bool SameText(std::string_view left, std::string_view right);

bool IsToken(std::string_view text);  // A method or a name.
bool IsValue(std::string_view text);  // Nothing that could end a field.
// A request's target, as far as that its end is where everybody sees it.
bool IsTarget(std::string_view text);
// Without spaces and tabs at both ends.
std::string_view Trim(std::string_view text);
// Whether a list as "a, b" has `token`.
bool ListHas(std::string_view list, std::string_view token);

// Digits and nothing else.
std::optional<uint64_t> ParseLength(std::string_view text);

// Whether responses of that status have one (RFC 9110, section 6.4.1).
bool HasBody(unsigned status);

// What is wrong with a request, as a response's status.
struct Refusal {
  unsigned status = 0;
  std::string_view reason;
};

inline constexpr unsigned kBadRequest = 400, kTimeout = 408, kTooLarge = 413, kHeadTooLarge = 431,
                          kNotImplemented = 501, kVersion = 505, kNotModified = 304;

}  // namespace wasmoor::http
