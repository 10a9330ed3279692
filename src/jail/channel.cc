#include "jail/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "wasmoor/os/file.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::jail {
namespace {

constexpr size_t kMostText = 16 << 10;  // Of one message; a longer one is cut.

struct Header {
  Step step = Step::kFailed;
  Code code = Code::kOk;
  int32_t error_number = 0;
};

std::string Framed(const Header& header, std::string_view text) {
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  return message.append(text.substr(0, kMostText));
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
  return os::Send(socket_, Framed({.step = step}, text), nullptr);
}

Status Channel::Write(Step step, std::string_view text) const {
  return os::WriteAll(socket_, Framed({.step = step}, text));
}

Status Channel::SendDescriptor(const os::Fd& descriptor, std::string_view text) const {
  return os::Send(socket_, Framed({.step = Step::kDescriptor}, text), &descriptor);
}

void Channel::SendError(const Error& error) const {
  const Header header = {
      .step = Step::kFailed, .code = error.code(), .error_number = error.error_number()};
  static_cast<void>(os::Send(socket_, Framed(header, error.message()), nullptr));
}

Result<Message> Channel::Receive() const {
  Header header;
  std::string text(sizeof(header) + kMostText, '\0');
  os::Received got = TRY(os::Receive(socket_, text));
  if (got.bytes == 0) return Fail(Code::kAborted, "the other process is gone");
  if (got.bytes < sizeof(header))
    return Fail(Code::kInternal, "the other process said half a word");
  std::memcpy(&header, text.data(), sizeof(header));
  text.resize(got.bytes);
  text.erase(0, sizeof(header));
  // The other process is of this program, but what runs in a container may have changed it.
  if (header.step > Step::kStart || header.code > Code::kUnauthenticated ||
      (header.step == Step::kFailed && header.code == Code::kOk))
    return Fail(Code::kInternal, "the other process said what is no message");
  if (header.step == Step::kFailed)
    return tl::unexpected(Error(header.code, std::move(text), header.error_number));
  return Message{header.step, std::move(text), std::move(got.descriptor)};
}

Result<Message> Channel::Expect(Step step) const {
  Message message = TRY(Receive());
  if (message.step == step) return message;
  return Fail(Code::kInternal, "the other process is at step {} instead of {}",
              static_cast<int>(message.step), static_cast<int>(step));
}

}  // namespace wasmoor::jail
