#include "jail/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace wasmoor::jail {
namespace {

constexpr size_t kMostText = 16 << 10;  // Of one message; a longer one is cut.

struct Header {
  Step step = Step::kFailed;
  Code code = Code::kOk;
  int32_t error_number = 0;
};

union Control {
  cmsghdr header;  // For its alignment.
  char bytes[CMSG_SPACE(sizeof(int))];
};

Status SendMessage(const os::Fd& socket, const Header& header, std::string_view text,
                   const os::Fd* descriptor) {
  text = text.substr(0, kMostText);
  std::array<iovec, 2> parts = {{{const_cast<Header*>(&header), sizeof(header)},
                                 {const_cast<char*>(text.data()), text.size()}}};
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  Control control = {};
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
  while (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return FailErrno(errno, "tell the other process");
  }
  return {};
}

os::Fd DescriptorIn(msghdr* message) {
  const cmsghdr* part = CMSG_FIRSTHDR(message);
  if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
      part->cmsg_len != CMSG_LEN(sizeof(int)))
    return os::Fd();
  int number = -1;
  std::memcpy(&number, CMSG_DATA(part), sizeof(number));
  return os::Fd(number);
}

}  // namespace

Result<std::pair<Channel, Channel>> Channel::MakePair() {
  std::array<int, 2> ends;
  // Messages with borders, and an end of file when the other side is gone.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return FailErrno(errno, "socketpair");
  return std::pair(Channel(os::Fd(ends[0])), Channel(os::Fd(ends[1])));
}

Status Channel::Send(Step step, std::string_view text) const {
  return SendMessage(socket_, {.step = step}, text, nullptr);
}

Status Channel::SendDescriptor(const os::Fd& descriptor, std::string_view text) const {
  return SendMessage(socket_, {.step = Step::kDescriptor}, text, &descriptor);
}

void Channel::SendError(const Error& error) const {
  static_cast<void>(SendMessage(
      socket_, {.step = Step::kFailed, .code = error.code(), .error_number = error.error_number()},
      error.message(), nullptr));
}

Result<Message> Channel::Receive() const {
  Header header;
  std::string text(kMostText, '\0');
  std::array<iovec, 2> parts = {{{&header, sizeof(header)}, {text.data(), text.size()}}};
  Control control = {};
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof(control.bytes);
  ssize_t got = -1;
  do {
    got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  // A side that was killed with words of ours unread resets the connection (unix(7)).
  if (got == 0 || (got < 0 && errno == ECONNRESET))
    return Fail(Code::kAborted, "the other process is gone");
  if (got < 0) return FailErrno(errno, "hear the other process");
  os::Fd descriptor = DescriptorIn(&message);
  if (static_cast<size_t>(got) < sizeof(header))
    return Fail(Code::kInternal, "the other process said half a word");
  text.resize(static_cast<size_t>(got) - sizeof(header));
  if (header.step == Step::kFailed)
    return tl::unexpected(Error(header.code, std::move(text), header.error_number));
  return Message{header.step, std::move(text), std::move(descriptor)};
}

Result<Message> Channel::Expect(Step step) const {
  Message message = TRY(Receive());
  if (message.step == step) return message;
  return Fail(Code::kInternal, "the other process is at step {} instead of {}",
              static_cast<int>(message.step), static_cast<int>(step));
}

}  // namespace wasmoor::jail
