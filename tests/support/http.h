#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>

#include "wasmoor/os/fd.h"

// A client of HTTP that knows no more of it than that an answer ends with its connection.
namespace wasmoor::test {

constexpr const char* kNoConnection = "(no connection)";

// A request for a page that is its connection's last.
inline std::string RequestFor(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}

// The connection on which all of `request` has been sent to a port of the loopback device; none if
// it cannot be.
inline os::Fd SendTo(uint16_t port, const std::string& request) {
  os::Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size()))
    socket.Close();
  return socket;
}

// All that comes until the connection's end.
inline std::string ReceiveAll(const os::Fd& socket) {
  if (!socket.valid()) return kNoConnection;
  std::string reply;
  std::array<char, 4096> part;
  ssize_t size = 0;
  while ((size = ::recv(socket.get(), part.data(), part.size(), 0)) > 0)
    reply.append(part.data(), static_cast<size_t>(size));
  return reply;
}

}  // namespace wasmoor::test
