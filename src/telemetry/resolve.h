#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

namespace wasmoor::telemetry {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

// An IP address, "localhost", or a name in `hosts` (the text of /etc/hosts, hosts(5)), with a port.
// No name server is asked: a process of one thread would stand still as long as that takes.
// kNotFound.
Result<std::vector<SocketAddress>> Resolve(std::string_view host, uint16_t port,
                                           std::string_view hosts);

}  // namespace wasmoor::telemetry
