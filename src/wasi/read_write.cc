#include <sys/uio.h>
#include <unistd.h>

#include "wasi/buffers.h"
#include "wasi/descriptor_table.h"
#include "wasi/functions.h"
#include "wasi/stream.h"

namespace wasmoor::wasi {
namespace {

// What the four functions share: the descriptor with its rights, the guest's buffers, the count.
template <typename Move>
Reply Transfer(Context& context, const Call& call, Fd fd, Rights rights, Ptr iovs, Size count,
               Ptr moved, Move move) {
  Descriptor* descriptor = nullptr;
  const Errno error = context.descriptors().Get(fd, rights, &descriptor);
  if (error != Errno::kSuccess) return error;
  if (!call.memory.Contains(moved, sizeof(Size))) return Errno::kFault;
  Buffers buffers;
  if (const Reply reply = buffers.Load(call, iovs, count); !reply.ok()) return reply;
  int64_t bytes = 0;
  if (const Reply reply = move(*descriptor, buffers, &bytes); !reply.ok()) return reply;
  // The kernel moves less than 2 GiB at once (read(2)).
  return call.memory.Store(moved, static_cast<Size>(bytes)) ? Errno::kSuccess : Errno::kFault;
}

template <typename At>
Reply TransferAt(Context& context, const Call& call, Fd fd, Rights rights, Ptr iovs, Size count,
                 Ptr moved, At at) {
  return Transfer(context, call, fd, rights, iovs, count, moved,
                  [&](Descriptor& descriptor, const Buffers& buffers, int64_t* bytes) -> Reply {
                    if (!descriptor.file.valid()) return Errno::kSpipe;
                    return Interruptible(
                        call, [&] { return at(descriptor.file.get(), buffers); }, bytes);
                  });
}

}  // namespace

Reply FdRead(Context& context, Call& call, Fd fd, Ptr iovs, Size count, Ptr read) {
  return Transfer(context, call, fd, kRightFdRead, iovs, count, read,
                  [&](Descriptor& descriptor, const Buffers& buffers, int64_t* bytes) {
                    return ReadStream(context, call, descriptor, buffers, bytes);
                  });
}

Reply FdWrite(Context& context, Call& call, Fd fd, Ptr iovs, Size count, Ptr written) {
  return Transfer(context, call, fd, kRightFdWrite, iovs, count, written,
                  [&](Descriptor& descriptor, const Buffers& buffers, int64_t* bytes) {
                    return WriteStream(context, call, descriptor, buffers, bytes);
                  });
}

Reply FdPread(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint64_t offset,
              Ptr read) {
  const auto position = static_cast<off_t>(offset);
  return TransferAt(context, call, fd, kRightFdRead | kRightFdSeek, iovs, count, read,
                    [&](int file, const Buffers& buffers) -> int64_t {
                      if (buffers.single())
                        return pread(file, buffers.base(), buffers.length(), position);
                      return preadv(file, buffers.data(), buffers.count(), position);
                    });
}

Reply FdPwrite(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint64_t offset,
               Ptr written) {
  const auto position = static_cast<off_t>(offset);
  return TransferAt(context, call, fd, kRightFdWrite | kRightFdSeek, iovs, count, written,
                    [&](int file, const Buffers& buffers) -> int64_t {
                      if (buffers.single())
                        return pwrite(file, buffers.base(), buffers.length(), position);
                      return pwritev(file, buffers.data(), buffers.count(), position);
                    });
}

}  // namespace wasmoor::wasi
