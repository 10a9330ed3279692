#include "wasmoor/os/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

// Room for one descriptor beside a message (cmsg(3)).
union Control {
  cmsghdr header;  // For its alignment.
  char bytes[CMSG_SPACE(sizeof(int))];
};

Fd DescriptorIn(msghdr* message) {
  const cmsghdr* part = CMSG_FIRSTHDR(message);
  if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
      part->cmsg_len != CMSG_LEN(sizeof(int)))
    return Fd();
  int number = -1;
  std::memcpy(&number, CMSG_DATA(part), sizeof(number));
  return Fd(number);
}

// `path` is shorter than an address has room for.
struct sockaddr_un AddressOf(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::string PathBelow(const Fd& directory, const char* name) {
  return fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
}

Result<Fd> Connect(int type, const std::string& path, std::string_view name) {
  const struct sockaddr_un address = AddressOf(path);
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return FailErrno(errno, "socket");
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
         0) {
    if (errno != EINTR) return FailErrno(errno, "connect to {}", name);
  }
  return socket;
}

Result<Fd> ConnectStream(int flags, const std::string& path) {
  const int type = SOCK_STREAM | flags;
  if (path.size() < sizeof(sockaddr_un::sun_path)) return Connect(type, path, path);
  // The same socket by a short name.
  const Fd place = TRY(OpenAt(Fd(), path.c_str(), O_PATH));
  return Connect(type, fmt::format("/proc/self/fd/{}", place.get()), path);
}

Result<Fd> Listen(int type, const std::string& path, std::string_view name, int waiting) {
  const struct sockaddr_un address = AddressOf(path);
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return FailErrno(errno, "socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return FailErrno(errno, "bind socket {}", name);
  if (::listen(socket.get(), waiting) != 0) return FailErrno(errno, "listen on {}", name);
  return socket;
}

}  // namespace

Result<Fd> ConnectUnix(const std::string& path) { return ConnectStream(0, path); }

Result<Fd> ConnectUnixAtOnce(const std::string& path) { return ConnectStream(SOCK_NONBLOCK, path); }

Result<Fd> ListenUnix(const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return FailErrno(ENAMETOOLONG, "socket {}", path);
  constexpr mode_t kNotForOthers = 0177;
  const mode_t before = ::umask(kNotForOthers);
  auto socket = Listen(SOCK_STREAM | SOCK_NONBLOCK, path, path, SOMAXCONN);
  ::umask(before);
  return socket;
}

Result<Fd> ListenUnix(const Fd& directory, const char* name) {
  constexpr int kWaiting = 8;
  return Listen(SOCK_SEQPACKET, PathBelow(directory, name), name, kWaiting);
}

Result<Fd> ConnectUnix(const Fd& directory, const char* name) {
  return Connect(SOCK_SEQPACKET, PathBelow(directory, name), name);
}

Status Send(const Fd& socket, std::string_view bytes, const Fd* descriptor) {
  Control control = {};
  msghdr message = {};
  if (descriptor != nullptr) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = descriptor->get();
    std::memcpy(CMSG_DATA(part), &number, sizeof(number));
  }
  do {
    iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return FailErrno(errno, "send");
    bytes.remove_prefix(static_cast<size_t>(sent));
    // The descriptor went with the first byte.
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  } while (!bytes.empty());
  return {};
}

Result<Received> Receive(const Fd& socket, std::span<char> buffer) {
  Control control = {};
  iovec part = {buffer.data(), buffer.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  ssize_t got = -1;
  do {
    got = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  // Who was killed with words of ours unread resets the connection (unix(7)).
  if (got < 0 && errno == ECONNRESET) return Received{};
  if (got < 0) return FailErrno(errno, "receive");
  return Received{static_cast<size_t>(got), DescriptorIn(&message)};
}

}  // namespace wasmoor::os
