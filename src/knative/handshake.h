#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

namespace wasmoor::knative {

// How a client becomes one of a WebSocket (RFC 6455, section 4.1).
using Nonce = std::array<uint8_t, 16>;

// The value of Sec-WebSocket-Key, and what the server makes of it (section 4.2.2).
std::string KeyOf(const Nonce& nonce);
std::string AcceptFor(std::string_view key);

// `authority`: HOST:PORT, as it is written in a URL.
std::string HandshakeRequest(std::string_view authority, std::string_view path,
                             std::string_view key);

constexpr size_t kMostHandshake = 16 << 10;  // Bytes of an answer.

// Whether `head`, which ends with its empty line, takes us for such a client. kInternal says what
// it is instead.
Status CheckHandshake(std::string_view head, std::string_view key);

}  // namespace wasmoor::knative
