#include "function/catalog/stamp.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "wasmoor/os/file.h"
#include "wasmoor/os/path.h"

namespace wasmoor::function {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

FileStamp StampOf(const struct stat& status, bool is_link) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .bytes = static_cast<uint64_t>(status.st_size),
          .modified = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec,
          .changed = status.st_ctim.tv_sec * kSecond + status.st_ctim.tv_nsec,
          .is_link = is_link};
}

bool IsAbsent(int error) { return error == ENOENT || error == ENOTDIR; }

}  // namespace

Result<FileStamp> StampAt(const os::Fd& directory, const std::string& name) {
  struct stat status;
  if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (IsAbsent(errno)) return FileStamp();
    return FailErrno(errno, "{}", name);
  }
  if (!S_ISLNK(status.st_mode)) return StampOf(status, false);
  const auto target = os::OpenBeneath(directory, name.c_str(), O_PATH);
  if (target) return StampOf(TRY_AS(os::Stat(*target), "{}", name), true);
  if (IsAbsent(target.error())) return FileStamp();
  if (target.error() == EXDEV || target.error() == ELOOP) return StampOf(status, true);
  return FailErrno(target.error(), "{}", name);
}

Result<DirectoryStamp> StampOfDirectory(const os::Fd& directory) {
  struct statx status;
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_MNT_ID;
  if (::statx(directory.get(), "", AT_EMPTY_PATH, kWanted, &status) != 0)
    return FailErrno(errno, "statx");
  return DirectoryStamp{.device = ::makedev(status.stx_dev_major, status.stx_dev_minor),
                        // Before Linux 5.8 nobody says.
                        .mount = (status.stx_mask & STATX_MNT_ID) != 0 ? status.stx_mnt_id : 0,
                        .inode = status.stx_ino,
                        .modified = status.stx_mtime.tv_sec * kSecond + status.stx_mtime.tv_nsec,
                        .changed = status.stx_ctime.tv_sec * kSecond + status.stx_ctime.tv_nsec};
}

}  // namespace wasmoor::function
