#include <fcntl.h>
#include <linux/magic.h>

#include <utility>

#include "wasi/descriptor_table.h"
#include "wasi/functions.h"
#include "wasi/guest_path.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasi {
namespace {

constexpr mode_t kNewFileMode = 0666;  // The umask takes from it, as everywhere.

// What a guest asked for, once its rights are settled.
struct Request {
  bool follow;
  uint32_t oflags;
  uint32_t fdflags;
  Rights base;
  Rights inheriting;

  bool creates() const { return (oflags & kOflagCreat) != 0; }
  bool wants_directory() const { return (oflags & kOflagDirectory) != 0; }
  bool reads() const { return (base & (kRightFdRead | kRightFdReaddir)) != 0; }
  bool writes() const { return (base & kRightFdWrite) != 0; }
};

// The rights that the directory must have for the flags asked for ($rights, typenames.witx).
Rights NeededOfDirectory(uint32_t oflags) {
  Rights needed = kRightPathOpen;
  if ((oflags & kOflagCreat) != 0) needed |= kRightPathCreateFile;
  if ((oflags & kOflagTrunc) != 0) needed |= kRightPathFilestatSetSize;
  return needed;
}

Rights NeededForSync(uint32_t fdflags) {
  Rights needed = 0;
  if ((fdflags & kFdflagDsync) != 0) needed |= kRightFdDatasync;
  if ((fdflags & (kFdflagSync | kFdflagRsync)) != 0) needed |= kRightFdSync;
  return needed;
}

// Reading and writing are given as asked or not at all. Of the rest, what the directory cannot pass
// on is left out: Rust's standard library asks for every right there is, whatever it opens.
Errno SettleRights(const Descriptor& directory, Request* request) {
  const Rights withheld = request->base & ~directory.inheriting;
  if ((withheld & (kRightFdRead | kRightFdWrite)) != 0) return Errno::kNotcapable;
  if ((NeededForSync(request->fdflags) & ~(directory.base | directory.inheriting)) != 0)
    return Errno::kNotcapable;
  request->base &= directory.inheriting;
  request->inheriting &= directory.inheriting;
  // Go's standard library asks for these even to read. They take a file that is open for writing.
  if (!request->writes()) request->base &= ~(kRightFdAllocate | kRightFdFilestatSetSize);
  return Errno::kSuccess;
}

int LinuxFlags(const Request& request) {
  // A directory that is neither read nor listed is a place to start from, and needs no permission
  // to read. Flags that O_PATH does not know are refused by openat2(2), and would mean nothing.
  const int follow = request.follow ? 0 : O_NOFOLLOW;
  if (request.oflags == kOflagDirectory && !request.reads() && !request.writes())
    return O_PATH | O_DIRECTORY | follow;
  int flags = O_NOCTTY | follow;
  if (request.writes()) flags |= request.reads() ? O_RDWR : O_WRONLY;
  if (request.creates()) flags |= O_CREAT;
  if (request.wants_directory()) flags |= O_DIRECTORY;
  if ((request.oflags & kOflagExcl) != 0) flags |= O_EXCL;
  if ((request.oflags & kOflagTrunc) != 0) flags |= O_TRUNC;
  if ((request.fdflags & kFdflagAppend) != 0) flags |= O_APPEND;
  if ((request.fdflags & kFdflagDsync) != 0) flags |= O_DSYNC;
  if ((request.fdflags & kFdflagNonblock) != 0) flags |= O_NONBLOCK;
  if ((request.fdflags & kFdflagRsync) != 0) flags |= O_RSYNC;
  if ((request.fdflags & kFdflagSync) != 0) flags |= O_SYNC;
  return flags;
}

// A process may write its own memory and settings through procfs (proc_pid_mem(5)), where no limit
// of the engine's holds: whoever is given a directory with a procfs below it is given its reading.
// Asked only of what is open for writing.
bool IsProcfs(const os::Fd& file) {
  const auto filesystem = os::StatFilesystem(file);
  return !filesystem || filesystem->f_type == PROC_SUPER_MAGIC;
}

Descriptor ToDescriptor(const Request& request, const Descriptor& directory, os::Fd file) {
  Descriptor descriptor;
  descriptor.file = std::move(file);
  descriptor.origin = Origin::kOpened;
  descriptor.read_only = directory.read_only;
  descriptor.flags = static_cast<uint16_t>(request.fdflags);
  descriptor.base = request.base;
  descriptor.inheriting = request.inheriting;
  // open(2) makes no directory and opens none for writing.
  if (request.wants_directory())
    descriptor.SetType(FileType::kDirectory);
  else
    descriptor.maybe_directory = !request.creates() && !request.writes();
  return descriptor;
}

}  // namespace

Reply PathOpen(Context& context, Call& call, Fd fd, uint32_t lookup, Ptr path, Size length,
               uint32_t oflags, Rights base, Rights inheriting, uint32_t fdflags, Ptr opened) {
  if ((lookup & ~kLookupMask) != 0 || (oflags & ~kOflagMask) != 0 || (fdflags & ~kFdflagMask) != 0)
    return Errno::kInval;
  // What Linux did with the two together changed over time: open(2), BUGS.
  if ((oflags & kOflagCreat) != 0 && (oflags & kOflagDirectory) != 0) return Errno::kInval;
  Descriptor* directory = nullptr;
  Errno error = context.descriptors().Get(fd, NeededOfDirectory(oflags), &directory);
  if (error != Errno::kSuccess) return error;
  if (!call.memory.Contains(opened, sizeof(Fd))) return Errno::kFault;
  GuestPath name;
  if (error = name.Load(call.memory, path, length); error != Errno::kSuccess) return error;
  Request request = {(lookup & kLookupSymlinkFollow) != 0, oflags, fdflags, base, inheriting};
  if (error = SettleRights(*directory, &request); error != Errno::kSuccess) return error;
  if (context.descriptors().full()) return Errno::kMfile;

  os::Fd file;
  const Reply reply =
      OpenBelow(call, *directory, name.text(), LinuxFlags(request), kNewFileMode, &file);
  if (!reply.ok()) return reply;
  if (request.writes() && IsProcfs(file)) return Errno::kAcces;
  const Fd number =
      context.descriptors().Insert(ToDescriptor(request, *directory, std::move(file)));
  return call.memory.Store(opened, number) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace wasmoor::wasi
