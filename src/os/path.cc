#include "wasmoor/os/path.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace wasmoor::os {
namespace {

// openat2(2) answers EAGAIN when a rename or mount anywhere raced with a path that has ".." in it.
// Each try is a fresh walk, so that only a storm of renames fails this many.
constexpr int kTriesAgainstRenames = 256;

}  // namespace

FdOrErrno OpenBeneath(const Fd& directory, const char* path, int flags, mode_t mode) {
  struct open_how how = {};
  how.flags = static_cast<unsigned>(flags) | O_CLOEXEC;
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;  // The kernel refuses a mode that does not count.
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 1;; ++attempt) {
    const long opened = syscall(SYS_openat2, directory.get(), path, &how, sizeof(how));
    if (opened >= 0) return Fd(static_cast<int>(opened));
    if (errno != EAGAIN || attempt == kTriesAgainstRenames) return tl::unexpected(errno);
  }
}

tl::expected<std::span<char>, int> ReadEntries(const Fd& directory, std::span<char> buffer) {
  const ssize_t filled = getdents64(directory.get(), buffer.data(), buffer.size());
  if (filled < 0) return tl::unexpected(errno);
  return buffer.first(static_cast<size_t>(filled));
}

}  // namespace wasmoor::os
