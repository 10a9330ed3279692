#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wasmoor::http {

// What `text` in base64url says (RFC 4648, section 5), without padding or with it; none if it is
// not that.
std::optional<std::string> DecodeBase64Url(std::string_view text);

}  // namespace wasmoor::http
