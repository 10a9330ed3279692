#include "jail/rootfs/mount_copy.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <string>

#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

constexpr size_t kChunk = size_t{1} << 20;
constexpr mode_t kPermissions = 07777;
constexpr int kMaxDepth = 256;

struct Entry {
  const os::Fd& from;
  const os::Fd& to;
  const char* name;
  struct stat status;
};

Status CopyOwner(const Entry& entry) {
  if (fchownat(entry.to.get(), entry.name, entry.status.st_uid, entry.status.st_gid,
               AT_SYMLINK_NOFOLLOW) != 0)
    return FailErrno(errno, "chown {}", entry.name);
  // After the owner: a change of owner takes set-user-ID bits away.
  if (!S_ISLNK(entry.status.st_mode) &&
      fchmodat(entry.to.get(), entry.name, entry.status.st_mode & kPermissions, 0) != 0)
    return FailErrno(errno, "chmod {}", entry.name);
  const std::array<timespec, 2> times = {entry.status.st_atim, entry.status.st_mtim};
  if (utimensat(entry.to.get(), entry.name, times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    return FailErrno(errno, "times of {}", entry.name);
  return {};
}

Status CopyFile(const Entry& entry) {
  // O_NONBLOCK: the name may have become a FIFO since it was looked at.
  const os::Fd from = TRY(os::OpenAt(entry.from, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const os::Fd to = TRY(os::OpenAt(entry.to, entry.name, O_WRONLY | O_CREAT | O_EXCL, 0600));
  for (;;) {
    const ssize_t sent = sendfile(to.get(), from.get(), nullptr, kChunk);
    if (sent == 0) return {};
    if (sent < 0 && errno != EINTR) return FailErrno(errno, "copy {}", entry.name);
  }
}

Status CopyLink(const Entry& entry) {
  std::array<char, PATH_MAX> text = {};
  if (readlinkat(entry.from.get(), entry.name, text.data(), text.size() - 1) < 0 ||
      symlinkat(text.data(), entry.to.get(), entry.name) != 0)
    return FailErrno(errno, "copy the link {}", entry.name);
  return {};
}

Status CopyDirectory(const os::Fd& from, const os::Fd& to, dev_t device, int depth);

Status CopyEntry(const Entry& entry, dev_t device, int depth) {
  const mode_t mode = entry.status.st_mode;
  if (S_ISREG(mode)) {
    TRY(CopyFile(entry));
  } else if (S_ISLNK(mode)) {
    TRY(CopyLink(entry));
  } else if (S_ISDIR(mode)) {
    if (mkdirat(entry.to.get(), entry.name, 0700) != 0)
      return FailErrno(errno, "make {}", entry.name);
    const os::Fd from = TRY(os::OpenAt(entry.from, entry.name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    const os::Fd to = TRY(os::OpenAt(entry.to, entry.name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    if (entry.status.st_dev == device) TRY(CopyDirectory(from, to, device, depth + 1));
  } else if (mknodat(entry.to.get(), entry.name, mode, entry.status.st_rdev) != 0) {
    return FailErrno(errno, "make {}", entry.name);
  }
  return CopyOwner(entry);
}

Status CopyDirectory(const os::Fd& from, const os::Fd& to, dev_t device, int depth) {
  if (depth > kMaxDepth)
    return Fail(Code::kOutOfRange, "directories are nested deeper than {}", kMaxDepth);
  for (const std::string& name : TRY(os::ReadNames(from))) {
    const Entry entry{from, to, name.c_str(), TRY(os::StatAt(from, name.c_str()))};
    TRY(CopyEntry(entry, device, depth));
  }
  return {};
}

}  // namespace

Status CopyTree(const os::Fd& from, const os::Fd& to) {
  const struct stat status = TRY(os::Stat(from));
  return CopyDirectory(from, to, status.st_dev, 0);
}

}  // namespace wasmoor::jail
