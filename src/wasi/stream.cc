#include "wasi/stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace wasmoor::wasi {
namespace {

enum class Direction { kRead, kWrite };

short EventOf(Direction direction) { return direction == Direction::kRead ? POLLIN : POLLOUT; }

int64_t Move(Direction direction, const Descriptor& descriptor, const Buffers& buffers) {
  if (descriptor.stream != nullptr) {
    return direction == Direction::kRead
               ? descriptor.stream->Read(buffers.data(), buffers.count())
               : descriptor.stream->Write(buffers.data(), buffers.count());
  }
  const int file = descriptor.file.get();
  if (direction == Direction::kRead)
    return buffers.single() ? read(file, buffers.base(), buffers.length())
                            : readv(file, buffers.data(), buffers.count());
  if (descriptor.is_socket()) {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(buffers.data());
    message.msg_iovlen = static_cast<size_t>(buffers.count());
    return sendmsg(file, &message, MSG_NOSIGNAL);
  }
  return buffers.single() ? write(file, buffers.base(), buffers.length())
                          : writev(file, buffers.data(), buffers.count());
}

// One call that does not wait, of a file whose O_NONBLOCK is not ours to set: RWF_NOWAIT of
// preadv2(2), or where the file does not know it (terminals, and pipes before Linux 6.4) a look
// with poll(2). After that look a write that is larger than the pipe's room waits for its reader.
int64_t MoveWithoutWaiting(Direction direction, const Descriptor& descriptor,
                           const Buffers& buffers) {
  const int file = descriptor.file.get();
  const int64_t moved = direction == Direction::kRead
                            ? preadv2(file, buffers.data(), buffers.count(), -1, RWF_NOWAIT)
                            : pwritev2(file, buffers.data(), buffers.count(), -1, RWF_NOWAIT);
  if (moved >= 0 || errno != EOPNOTSUPP) return moved;
  pollfd look = {file, EventOf(direction), 0};
  if (poll(&look, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return Move(direction, descriptor, buffers);
}

// Whether the guest asked not to wait for a file that could make it wait and that it shares.
bool MustNotWait(Descriptor& descriptor) {
  if (descriptor.origin != Origin::kStdio || !descriptor.nonblocking()) return false;
  const FileType type = descriptor.Type();
  return type != FileType::kRegularFile && type != FileType::kBlockDevice;
}

Reply Transfer(Context& context, const hostcall::Call& call, Direction direction,
               Descriptor& descriptor, const Buffers& buffers, int64_t* count) {
  // A stream never waits by itself.
  const bool must_not_wait = descriptor.stream == nullptr && MustNotWait(descriptor);
  for (;;) {
    const Reply reply = Interruptible(
        call,
        [&] {
          return must_not_wait ? MoveWithoutWaiting(direction, descriptor, buffers)
                               : Move(direction, descriptor, buffers);
        },
        count);
    if (reply.ok() || reply.error() != Errno::kAgain || descriptor.nonblocking()) return reply;
    if (descriptor.stream != nullptr) {
      const os::Fd* ready = descriptor.stream->WaitsFor();
      if (ready == nullptr) continue;
      if (const Reply waited = WaitFor(context, call, *ready, POLLIN); !waited.ok()) return waited;
      continue;
    }
    // Whoever shares the file made it non-blocking; this guest did not ask for that.
    const Reply waited = WaitFor(context, call, descriptor.file, EventOf(direction));
    if (!waited.ok()) return waited;
  }
}

}  // namespace

Reply ReadStream(Context& context, const hostcall::Call& call, Descriptor& descriptor,
                 const Buffers& buffers, int64_t* count) {
  if (descriptor.granted())
    return Transfer(context, call, Direction::kRead, descriptor, buffers, count);
  *count = 0;
  return Errno::kSuccess;
}

Reply WriteStream(Context& context, const hostcall::Call& call, Descriptor& descriptor,
                  const Buffers& buffers, int64_t* count) {
  if (descriptor.granted())
    return Transfer(context, call, Direction::kWrite, descriptor, buffers, count);
  constexpr uint64_t kMost = std::numeric_limits<int32_t>::max();
  *count = static_cast<int64_t>(std::min(buffers.total(), kMost));
  return Errno::kSuccess;
}

Reply WaitFor(Context& context, const hostcall::Call& call, const os::Fd& file, short events) {
  context.BeforeWait();
  pollfd wait = {file.get(), events, 0};
  return Interruptible(call, [&] { return poll(&wait, 1, -1); });
}

}  // namespace wasmoor::wasi
