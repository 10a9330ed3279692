#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wasi/clock.h"
#include "wasi/descriptor_table.h"
#include "wasi/functions.h"
#include "wasi/guest_path.h"

namespace wasmoor::wasi {
namespace {

Filestat ToFilestat(const struct stat& status) {
  Filestat out = {};
  out.dev = status.st_dev;
  out.ino = status.st_ino;
  out.filetype = FileTypeOf(status.st_mode);
  out.nlink = status.st_nlink;
  out.size = static_cast<uint64_t>(status.st_size);
  out.atim = FromTimespec(status.st_atim);
  out.mtim = FromTimespec(status.st_mtim);
  out.ctim = FromTimespec(status.st_ctim);
  return out;
}

// One of the two times of utimensat(2); false if it is both given and to be now.
bool ToTime(bool given, bool now, Timestamp time, timespec* out) {
  if (given && now) return false;
  *out = ToTimespec(given ? time : 0);
  if (!given) out->tv_nsec = now ? UTIME_NOW : UTIME_OMIT;
  return true;
}

struct Times {
  timespec values[2];

  Errno Set(Timestamp atim, Timestamp mtim, uint32_t flags) {
    if ((flags & ~kFstflagMask) != 0) return Errno::kInval;
    const bool valid =
        ToTime((flags & kFstflagAtim) != 0, (flags & kFstflagAtimNow) != 0, atim, &values[0]) &&
        ToTime((flags & kFstflagMtim) != 0, (flags & kFstflagMtimNow) != 0, mtim, &values[1]);
    return valid ? Errno::kSuccess : Errno::kInval;
  }
};

// The flags that F_SETFL of fcntl(2) can change; the others are set when a file is opened, for
// good.
constexpr uint32_t kChangeable = kFdflagAppend | kFdflagNonblock;

Reply SetStatusFlags(const Call& call, const Descriptor& descriptor, uint32_t flags) {
  int status = fcntl(descriptor.file.get(), F_GETFL);
  if (status < 0) return FromLinux(errno);
  status &= ~(O_APPEND | O_NONBLOCK);
  if ((flags & kFdflagAppend) != 0) status |= O_APPEND;
  if ((flags & kFdflagNonblock) != 0) status |= O_NONBLOCK;
  return Interruptible(call, [&] { return fcntl(descriptor.file.get(), F_SETFL, status); });
}

}  // namespace

Reply FdFdstatGet(Context& context, Call& call, Fd fd, Ptr status) {
  Descriptor* descriptor = context.descriptors().Find(fd);
  if (descriptor == nullptr) return Errno::kBadf;
  Fdstat out = {};
  out.filetype = descriptor->Type();
  out.flags = descriptor->flags;
  out.base = descriptor->base;
  out.inheriting = descriptor->inheriting;
  return call.memory.Store(status, out) ? Errno::kSuccess : Errno::kFault;
}

Reply FdFdstatSetFlags(Context& context, Call& call, Fd fd, uint32_t flags) {
  Descriptor* descriptor = nullptr;
  const Errno error = context.descriptors().Get(fd, kRightFdFdstatSetFlags, &descriptor);
  if (error != Errno::kSuccess) return error;
  if ((flags & ~kFdflagMask) != 0) return Errno::kInval;
  const uint32_t changed = flags ^ descriptor->flags;
  if ((changed & ~kChangeable) != 0) return Errno::kNotsup;
  switch (descriptor->origin) {
    case Origin::kClosed: return Errno::kBadf;
    case Origin::kStdio:
      // Whoever shares the file must not notice: kept here, and heeded by each call (stream.h).
      if ((changed & kFdflagAppend) != 0) return Errno::kNotsup;
      break;
    case Origin::kListener:
      // Blocking again is kept here only: another guest may have asked for O_NONBLOCK.
      if ((flags & kFdflagNonblock) == 0) break;
      [[fallthrough]];
    case Origin::kOpened:
    case Origin::kAccepted: {
      // A directory that is only a place (O_PATH) has no status to set, and nothing would heed it.
      if (descriptor->Type() == FileType::kDirectory) break;
      const Reply reply = SetStatusFlags(call, *descriptor, flags);
      if (!reply.ok()) return reply;
      break;
    }
    case Origin::kPreopen: break;
  }
  descriptor->flags = static_cast<uint16_t>(flags);
  return Errno::kSuccess;
}

Reply FdFdstatSetRights(Context& context, Call&, Fd fd, Rights base, Rights inheriting) {
  Descriptor* descriptor = context.descriptors().Find(fd);
  if (descriptor == nullptr) return Errno::kBadf;
  if ((base & ~descriptor->base) != 0 || (inheriting & ~descriptor->inheriting) != 0)
    return Errno::kNotcapable;
  descriptor->base = base;
  descriptor->inheriting = inheriting;
  return Errno::kSuccess;
}

Reply FdFilestatGet(Context& context, Call& call, Fd fd, Ptr status) {
  Descriptor* descriptor = nullptr;
  const Errno error = context.descriptors().Get(fd, kRightFdFilestatGet, &descriptor);
  if (error != Errno::kSuccess) return error;
  if (!call.memory.Contains(status, sizeof(Filestat))) return Errno::kFault;
  struct stat found = {};
  if (descriptor->file.valid()) {
    const Reply reply = Interruptible(call, [&] { return fstat(descriptor->file.get(), &found); });
    if (!reply.ok()) return reply;
    descriptor->SetType(FileTypeOf(found.st_mode));
  }
  return call.memory.Store(status, ToFilestat(found)) ? Errno::kSuccess : Errno::kFault;
}

Reply FdFilestatSetSize(Context& context, Call& call, Fd fd, uint64_t size) {
  Descriptor* descriptor = nullptr;
  const Errno error = context.descriptors().Get(fd, kRightFdFilestatSetSize, &descriptor);
  if (error != Errno::kSuccess) return error;
  // A size beyond off_t's is negative to the kernel, which refuses it (ftruncate(2)).
  return Interruptible(call,
                       [&] { return ftruncate(descriptor->file.get(), static_cast<off_t>(size)); });
}

Reply FdFilestatSetTimes(Context& context, Call& call, Fd fd, Timestamp atim, Timestamp mtim,
                         uint32_t flags) {
  Descriptor* descriptor = nullptr;
  const Errno error = context.descriptors().Get(fd, kRightFdFilestatSetTimes, &descriptor);
  if (error != Errno::kSuccess) return error;
  Times times;
  if (const Errno bad = times.Set(atim, mtim, flags); bad != Errno::kSuccess) return bad;
  // Needs no descriptor that is open for writing, so that only this keeps a read-only file's times.
  if (descriptor->read_only) return Errno::kRofs;
  // With the empty name and not as futimens(3), which refuses O_PATH.
  return Interruptible(
      call, [&] { return utimensat(descriptor->file.get(), "", times.values, AT_EMPTY_PATH); });
}

Reply PathFilestatGet(Context& context, Call& call, Fd fd, uint32_t lookup, Ptr path, Size length,
                      Ptr status) {
  Descriptor* directory = nullptr;
  Errno error = context.descriptors().Get(fd, kRightPathFilestatGet, &directory);
  if (error != Errno::kSuccess) return error;
  if ((lookup & ~kLookupMask) != 0) return Errno::kInval;
  if (!call.memory.Contains(status, sizeof(Filestat))) return Errno::kFault;
  GuestPath name;
  if (error = name.Load(call.memory, path, length); error != Errno::kSuccess) return error;

  struct stat found = {};
  const bool follow = (lookup & kLookupSymlinkFollow) != 0;
  // One system call for what most paths are: a single name that is no link.
  Target target;
  Target::Link link = follow && !name.plain() ? Target::Link::kFollow : Target::Link::kItself;
  for (;;) {
    Reply reply = target.Find(call, *directory, name, link);
    if (!reply.ok()) return reply;
    reply = Interruptible(call, [&] {
      return fstatat(target.directory(), target.name(), &found, target.at_flags());
    });
    if (!reply.ok()) return reply;
    if (!follow || link == Target::Link::kFollow || !S_ISLNK(found.st_mode)) break;
    link = Target::Link::kFollow;
  }
  return call.memory.Store(status, ToFilestat(found)) ? Errno::kSuccess : Errno::kFault;
}

Reply PathFilestatSetTimes(Context& context, Call& call, Fd fd, uint32_t lookup, Ptr path,
                           Size length, Timestamp atim, Timestamp mtim, uint32_t flags) {
  Descriptor* directory = nullptr;
  Errno error = context.descriptors().Get(fd, kRightPathFilestatSetTimes, &directory);
  if (error != Errno::kSuccess) return error;
  if ((lookup & ~kLookupMask) != 0) return Errno::kInval;
  Times times;
  if (error = times.Set(atim, mtim, flags); error != Errno::kSuccess) return error;
  GuestPath name;
  if (error = name.Load(call.memory, path, length); error != Errno::kSuccess) return error;
  if (directory->read_only) return Errno::kRofs;

  const bool follow = (lookup & kLookupSymlinkFollow) != 0;
  Target target;
  const Reply reply =
      target.Find(call, *directory, name, follow ? Target::Link::kFollow : Target::Link::kItself);
  if (!reply.ok()) return reply;
  return Interruptible(call, [&] {
    return utimensat(target.directory(), target.name(), times.values, target.at_flags());
  });
}

}  // namespace wasmoor::wasi
