#include "wasmoor/os/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

namespace wasmoor::os {
namespace {

constexpr int kBacklog = 1024;

Result<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || stop != text.data() + text.size())
    return Fail(Code::kInvalidArgument, "'{}' is not a port: a number from 0 to 65535", text);
  return port;
}

Result<SocketAddress> ParseAddress(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return Fail(Code::kInvalidArgument, "'{}' has no port: write ADDRESS:PORT", text);
  const uint16_t port = TRY(ParsePort(text.substr(colon + 1)));
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (const auto address = NumericAddress(host.empty() ? "::" : host, port)) return *address;
  return Fail(Code::kInvalidArgument,
              "'{}' is not an IP address: write 127.0.0.1:PORT, [::1]:PORT or :PORT", host);
}

}  // namespace

std::optional<SocketAddress> NumericAddress(std::string_view host, uint16_t port) {
  const std::string text(host);
  if (text.size() != std::strlen(text.c_str())) return std::nullopt;
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof(*v4);
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof(*v6);
    return address;
  }
  return std::nullopt;
}

Result<Fd> ConnectTcpAtOnce(const SocketAddress& address) {
  constexpr int kType = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  Fd socket(::socket(address.storage.ss_family, kType, 0));
  if (!socket.valid()) return FailErrno(errno, "socket");
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.get(), address.get(), address.size) != 0 && errno != EINPROGRESS)
    return FailErrno(errno, "connect");
  return socket;
}

Status ConnectionMade(const Fd& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return FailErrno(error, "connect");
  return {};
}

Result<Fd> ListenTcp(std::string_view text) {
  const SocketAddress address = TRY(ParseAddress(text));
  Fd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return FailErrno(errno, "listen on {}", text);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket.get(), address.get(), address.size) != 0)
    return FailErrno(errno, "listen on {}", text);
  if (::listen(socket.get(), kBacklog) != 0) return FailErrno(errno, "listen on {}", text);
  return socket;
}

Result<std::string> LocalAddress(const Fd& socket) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return FailErrno(errno, "address of a socket");
  std::array<char, INET6_ADDRSTRLEN> host = {};
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    ::inet_ntop(AF_INET, &v4->sin_addr, host.data(), host.size());
    return fmt::format("{}:{}", host.data(), ntohs(v4->sin_port));
  }
  if (storage.ss_family != AF_INET6)
    return Fail(Code::kInvalidArgument, "address of a socket: it is not a TCP socket");
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  ::inet_ntop(AF_INET6, &v6->sin6_addr, host.data(), host.size());
  return fmt::format("[{}]:{}", host.data(), ntohs(v6->sin6_port));
}

std::string PeerHost(const Fd& connection) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (::getpeername(connection.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  std::array<char, INET6_ADDRSTRLEN> host = {};
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    ::inet_ntop(AF_INET, &v4->sin_addr, host.data(), host.size());
  } else if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    constexpr size_t kMappedAt = 12;  // Of the 16 bytes (RFC 4291, section 2.5.5.2).
    const uint8_t* const bytes = v6->sin6_addr.s6_addr;
    IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)
    ? ::inet_ntop(AF_INET, bytes + kMappedAt, host.data(), host.size())
    : ::inet_ntop(AF_INET6, bytes, host.data(), host.size());
  }
  return host.data();
}

}  // namespace wasmoor::os
