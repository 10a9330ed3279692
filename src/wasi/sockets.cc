#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "wasi/buffers.h"
#include "wasi/descriptor_table.h"
#include "wasi/functions.h"
#include "wasi/stream.h"

namespace wasmoor::wasi {
namespace {

// The socket `fd` with `rights`. That something is no socket comes before that a right is missing:
// it could never have it.
Errno GetSocket(Context& context, Fd fd, Rights rights, Descriptor** out) {
  const Errno error = context.descriptors().Get(fd, rights, out);
  if (error != Errno::kNotcapable) return error;
  const FileType type = (*out)->Type();
  const bool is_socket = type == FileType::kSocketStream || type == FileType::kSocketDgram;
  return is_socket ? Errno::kNotcapable : Errno::kNotsock;
}

// recvmsg(2) or sendmsg(2), waiting where the guest did not ask not to.
template <typename SystemCall>
Reply Exchange(Context& context, const Call& call, const Descriptor& descriptor, short event,
               SystemCall system_call, int64_t* count) {
  // Standard I/O that was not granted.
  if (!descriptor.file.valid()) return Errno::kNotsock;
  for (;;) {
    const Reply reply = Interruptible(call, system_call, count);
    if (reply.ok() || reply.error() != Errno::kAgain || descriptor.nonblocking()) return reply;
    const Reply waited = WaitFor(context, call, descriptor.file, event);
    if (!waited.ok()) return waited;
  }
}

}  // namespace

Reply SockAccept(Context& context, Call& call, Fd fd, uint32_t flags, Ptr accepted) {
  Descriptor* listener = nullptr;
  const Errno error = GetSocket(context, fd, kRightSockAccept, &listener);
  if (error != Errno::kSuccess) return error;
  if ((flags & ~kFdflagNonblock) != 0) return Errno::kInval;
  if (!call.memory.Contains(accepted, sizeof(Fd))) return Errno::kFault;
  if (context.descriptors().full()) return Errno::kMfile;
  const int socket_flags = SOCK_CLOEXEC | (flags != 0 ? SOCK_NONBLOCK : 0);
  int64_t opened = -1;
  const Reply reply = Exchange(
      context, call, *listener, POLLIN,
      [&] { return accept4(listener->file.get(), nullptr, nullptr, socket_flags); }, &opened);
  if (!reply.ok()) return reply;
  Descriptor connection;
  connection.file = os::Fd(static_cast<int>(opened));
  connection.origin = Origin::kAccepted;
  connection.flags = static_cast<uint16_t>(flags);
  connection.base = listener->inheriting;
  connection.SetType(FileType::kSocketStream);
  const Fd number = context.descriptors().Insert(std::move(connection));
  return call.memory.Store(accepted, number) ? Errno::kSuccess : Errno::kFault;
}

Reply SockRecv(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint32_t flags,
               Ptr received, Ptr result_flags) {
  Descriptor* descriptor = nullptr;
  const Errno error = GetSocket(context, fd, kRightFdRead, &descriptor);
  if (error != Errno::kSuccess) return error;
  if ((flags & ~kRiflagMask) != 0) return Errno::kInval;
  if (!call.memory.Contains(received, sizeof(Size)) ||
      !call.memory.Contains(result_flags, sizeof(uint16_t)))
    return Errno::kFault;
  Buffers buffers;
  if (const Reply reply = buffers.Load(call, iovs, count); !reply.ok()) return reply;
  int linux_flags = MSG_CMSG_CLOEXEC;
  if ((flags & kRiflagPeek) != 0) linux_flags |= MSG_PEEK;
  if ((flags & kRiflagWaitall) != 0) linux_flags |= MSG_WAITALL;
  msghdr message = {};
  message.msg_iov = buffers.data();
  message.msg_iovlen = static_cast<size_t>(buffers.count());
  int64_t bytes = 0;
  const Reply reply = Exchange(
      context, call, *descriptor, POLLIN,
      [&] { return recvmsg(descriptor->file.get(), &message, linux_flags); }, &bytes);
  if (!reply.ok()) return reply;
  const uint16_t truncated = (message.msg_flags & MSG_TRUNC) != 0 ? kRoflagDataTruncated : 0;
  return call.memory.Store(result_flags, truncated) &&
                 call.memory.Store(received, static_cast<Size>(bytes))
             ? Errno::kSuccess
             : Errno::kFault;
}

Reply SockSend(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint32_t flags,
               Ptr sent) {
  Descriptor* descriptor = nullptr;
  const Errno error = GetSocket(context, fd, kRightFdWrite, &descriptor);
  if (error != Errno::kSuccess) return error;
  if (flags != 0) return Errno::kInval;  // $siflags has none.
  if (!call.memory.Contains(sent, sizeof(Size))) return Errno::kFault;
  Buffers buffers;
  if (const Reply reply = buffers.Load(call, iovs, count); !reply.ok()) return reply;
  msghdr message = {};
  message.msg_iov = buffers.data();
  message.msg_iovlen = static_cast<size_t>(buffers.count());
  int64_t bytes = 0;
  const Reply reply = Exchange(
      context, call, *descriptor, POLLOUT,
      [&] { return sendmsg(descriptor->file.get(), &message, MSG_NOSIGNAL); }, &bytes);
  if (!reply.ok()) return reply;
  return call.memory.Store(sent, static_cast<Size>(bytes)) ? Errno::kSuccess : Errno::kFault;
}

Reply SockShutdown(Context& context, Call& call, Fd fd, uint32_t how) {
  Descriptor* descriptor = nullptr;
  const Errno error = GetSocket(context, fd, kRightSockShutdown, &descriptor);
  if (error != Errno::kSuccess) return error;
  if (how == 0 || (how & ~kSdflagMask) != 0) return Errno::kInval;
  const int linux_how = how == kSdflagMask ? SHUT_RDWR : how == kSdflagRd ? SHUT_RD : SHUT_WR;
  return Interruptible(call, [&] { return shutdown(descriptor->file.get(), linux_how); });
}

}  // namespace wasmoor::wasi
