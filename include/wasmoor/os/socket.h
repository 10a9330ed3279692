#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::os {

// As bind(2) and connect(2) take it.
struct SocketAddress {
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  sockaddr_storage storage = {};
  socklen_t size = 0;
};

// Of a TCP socket at "192.0.2.7" or "2001:db8::1", without brackets. None for what is no number: no
// name is looked up.
std::optional<SocketAddress> NumericAddress(std::string_view host, uint16_t port);

// A TCP connection that is on its way: the socket is writable once it is made or has failed, which
// ConnectionMade then tells. It never blocks, and what is written is sent at once (TCP_NODELAY).
Result<Fd> ConnectTcpAtOnce(const SocketAddress& address);
Status ConnectionMade(const Fd& socket);

// A listening TCP socket bound to "127.0.0.1:8080", "[::1]:8080" or ":8080" (every address of the
// machine, IPv6 and IPv4). Numbers only: no name is looked up. Port 0 takes a free one.
// kInvalidArgument for another form; bind's own errors otherwise.
Result<Fd> ListenTcp(std::string_view address);

// Where a TCP socket is bound, as ListenTcp takes it: tells which port 0 became.
Result<std::string> LocalAddress(const Fd& socket);

// Who is at the other end of a TCP connection, without the port: "192.0.2.7", "2001:db8::1"; of an
// IPv4 client of a socket of both kinds, as IPv4 has it. Empty if it is no such connection.
std::string PeerHost(const Fd& connection);

}  // namespace wasmoor::os
