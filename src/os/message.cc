#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "wasmoor/os/unix_socket.h"

namespace wasmoor::os {
namespace {

union Control {
  cmsghdr header;  // For its alignment.
  char bytes[CMSG_SPACE(kMostWithMessage * sizeof(int))];
};

}  // namespace

std::vector<Fd> DescriptorsIn(const msghdr& message) {
  std::vector<Fd> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&message), part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(number);
    }
  }
  return descriptors;
}

Result<SocketPair> MakeMessageSockets() {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return FailErrno(errno, "socketpair");
  return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

Status SendMessage(const Fd& socket, std::string_view bytes,
                   std::span<const Fd* const> descriptors) {
  if (descriptors.size() > kMostWithMessage)
    return Fail(Code::kInvalidArgument, "a message takes at most {} descriptors", kMostWithMessage);
  Control control = {};
  iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    for (size_t i = 0; i < descriptors.size(); ++i) {
      const int number = descriptors[i]->get();
      std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &number, sizeof(int));
    }
  }
  while (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return FailErrno(errno, "send a message of {} bytes", bytes.size());
  }
  return {};
}

Result<std::optional<Message>> ReceiveMessage(const Fd& socket, size_t most) {
  const auto retry = [](auto call) {
    ssize_t got = -1;
    do {
      got = call();
    } while (got < 0 && errno == EINTR);
    return got;
  };
  // How long the next one is.
  ssize_t got = retry([&] { return ::recv(socket.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC); });
  if (got < 0 && errno == EAGAIN) return std::nullopt;
  if (got == 0 || (got < 0 && errno == ECONNRESET))
    return FailErrno(EPIPE, "the other side has gone");
  if (got < 0) return FailErrno(errno, "receive a message");
  Message received;
  received.bytes.resize(std::min(static_cast<size_t>(got), most));
  Control control = {};
  iovec part = {received.bytes.data(), received.bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  got = retry([&] { return ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC); });
  if (got < 0) return FailErrno(errno, "receive a message");
  received.descriptors = DescriptorsIn(message);
  if ((message.msg_flags & MSG_TRUNC) != 0)
    return Fail(Code::kOutOfRange, "a message of more than {} bytes", most);
  return received;
}

}  // namespace wasmoor::os
