#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <limits>

#include "wasi/descriptor_table.h"
#include "wasi/functions.h"

namespace wasmoor::wasi {
namespace {

constexpr uint64_t kMostOffset = std::numeric_limits<int64_t>::max();

// In the order of $advice (typenames.witx).
constexpr std::array<int, 6> kAdvice = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL,
                                        POSIX_FADV_RANDOM,   POSIX_FADV_WILLNEED,
                                        POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE};

// Runs a system call on the file of a descriptor that has `rights`. Standard input or output that
// was not granted is no file that anything could be done to.
template <typename SystemCall>
Reply OnFile(Context& context, const Call& call, Fd fd, Rights rights, SystemCall system_call) {
  Descriptor* descriptor = nullptr;
  const Errno error = context.descriptors().Get(fd, rights, &descriptor);
  if (error != Errno::kSuccess) return error;
  if (!descriptor->file.valid()) return Errno::kInval;
  return Interruptible(call, [&] { return system_call(descriptor->file.get()); });
}

// fd_seek and fd_tell. That a pipe or terminal cannot be sought says spipe, as everywhere, and not
// that a right is missing.
Reply Seek(Context& context, const Call& call, Fd fd, bool tells, int64_t offset, int whence,
           Ptr position) {
  Descriptor* descriptor = context.descriptors().Find(fd);
  if (descriptor == nullptr) return Errno::kBadf;
  // The position in a directory is fd_readdir's.
  if (descriptor->maybe_directory) descriptor->Type();
  const Rights enough = kRightFdSeek | (tells ? kRightFdTell : 0);
  if ((descriptor->base & enough) == 0) {
    const FileType type = descriptor->Type();
    const bool seekable = type == FileType::kRegularFile || type == FileType::kBlockDevice ||
                          type == FileType::kDirectory;
    return seekable ? Errno::kNotcapable : Errno::kSpipe;
  }
  if (!descriptor->file.valid()) return Errno::kSpipe;
  if (!call.memory.Contains(position, sizeof(uint64_t))) return Errno::kFault;
  int64_t reached = 0;
  const Reply reply =
      Interruptible(call, [&] { return lseek(descriptor->file.get(), offset, whence); }, &reached);
  if (!reply.ok()) return reply;
  return call.memory.Store(position, static_cast<uint64_t>(reached)) ? Errno::kSuccess
                                                                     : Errno::kFault;
}

}  // namespace

Reply FdAdvise(Context& context, Call& call, Fd fd, uint64_t offset, uint64_t length,
               uint32_t advice) {
  if (advice >= kAdvice.size() || offset > kMostOffset || length > kMostOffset)
    return Errno::kInval;
  return OnFile(context, call, fd, kRightFdAdvise, [&](int file) {
    // Returns the error instead of setting it: posix_fadvise(3).
    errno = posix_fadvise(file, static_cast<off_t>(offset), static_cast<off_t>(length),
                          kAdvice[advice]);
    return errno == 0 ? 0 : -1;
  });
}

Reply FdAllocate(Context& context, Call& call, Fd fd, uint64_t offset, uint64_t length) {
  if (offset > kMostOffset || length > kMostOffset) return Errno::kFbig;
  return OnFile(context, call, fd, kRightFdAllocate, [&](int file) {
    return fallocate(file, 0, static_cast<off_t>(offset), static_cast<off_t>(length));
  });
}

Reply FdClose(Context& context, Call&, Fd fd) { return context.descriptors().Close(fd); }

Reply FdRenumber(Context& context, Call&, Fd from, Fd to) {
  return context.descriptors().Renumber(from, to);
}

Reply FdDatasync(Context& context, Call& call, Fd fd) {
  return OnFile(context, call, fd, kRightFdDatasync, [](int file) { return fdatasync(file); });
}

Reply FdSync(Context& context, Call& call, Fd fd) {
  return OnFile(context, call, fd, kRightFdSync, [](int file) { return fsync(file); });
}

Reply FdSeek(Context& context, Call& call, Fd fd, int64_t offset, uint32_t whence, Ptr position) {
  constexpr std::array<int, 3> kWhence = {SEEK_SET, SEEK_CUR,
                                          SEEK_END};  // In the order of $whence.
  if (whence >= kWhence.size()) return Errno::kInval;
  const bool tells = offset == 0 && static_cast<Whence>(whence) == Whence::kCur;
  return Seek(context, call, fd, tells, offset, kWhence[whence], position);
}

Reply FdTell(Context& context, Call& call, Fd fd, Ptr position) {
  return Seek(context, call, fd, true, 0, SEEK_CUR, position);
}

}  // namespace wasmoor::wasi
