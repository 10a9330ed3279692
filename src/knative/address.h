#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::knative {

// A TCP server by its number.
struct Address {
  os::SocketAddress socket;
  std::string authority;  // HOST:PORT, as it is written in a URL.
};

// `host`: an IP address, of which v6 may stand in brackets, or "localhost"; "ws://" may stand
// before it. kInvalidArgument says what is wrong and what to write.
Result<Address> ParseAddress(std::string_view host, uint16_t port);

}  // namespace wasmoor::knative
