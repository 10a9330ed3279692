#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::telemetry {

// An IP address, "localhost", or a name in `hosts` (the text of /etc/hosts, hosts(5)), with a port.
// No name server is asked: a process of one thread would stand still as long as that takes.
// kNotFound.
Result<std::vector<os::SocketAddress>> Resolve(std::string_view host, uint16_t port,
                                               std::string_view hosts);

}  // namespace wasmoor::telemetry
