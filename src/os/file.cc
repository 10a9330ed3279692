#include "wasmoor/os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

namespace wasmoor::os {
namespace {

constexpr size_t kFirstRead = 4 << 10;  // Of something whose size is not known.

// Calls until it is not interrupted; the result and errno of the last call.
template <typename Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Result<std::vector<uint8_t>> ReadRegular(const Fd& file, uint64_t size, uint64_t max_bytes) {
  if (size > max_bytes) {
    return Fail(Code::kOutOfRange, "the file has {} bytes; at most {} are read", size, max_bytes);
  }
  std::vector<uint8_t> bytes(size);
  bytes.resize(TRY(ReadAt(file, bytes, 0)));
  return bytes;
}

Result<std::vector<uint8_t>> ReadStream(const Fd& file, uint64_t max_bytes) {
  std::vector<uint8_t> bytes;
  size_t filled = 0;
  for (;;) {
    if (filled == bytes.size()) bytes.resize(std::max(kFirstRead, filled * 2));
    const ssize_t got =
        Retry([&] { return read(file.get(), bytes.data() + filled, bytes.size() - filled); });
    if (got < 0) return FailErrno(errno, "read");
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    if (filled > max_bytes) {
      return Fail(Code::kOutOfRange, "the input has more than {} bytes", max_bytes);
    }
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace

Result<Fd> OpenAt(const Fd& directory, const char* name, int flags, mode_t mode) {
  const int file = Retry([&] { return openat(directory.get(), name, flags | O_CLOEXEC, mode); });
  if (file < 0) return FailErrno(errno, "open {}", name);
  return Fd(file);
}

Result<Fd> Duplicate(const Fd& file) {
  Fd copy(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return FailErrno(errno, "duplicate a descriptor");
  return copy;
}

Result<struct stat> Stat(const Fd& file) {
  struct stat status;
  if (fstat(file.get(), &status) != 0) return FailErrno(errno, "fstat");
  return status;
}

Result<struct stat> StatAt(const Fd& directory, const char* name) {
  struct stat status;
  if (fstatat(directory.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return FailErrno(errno, "stat {}", name);
  }
  return status;
}

bool IsSameFile(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool IsNamed(const Fd& file, const Fd& directory, const char* name) {
  const auto opened = Stat(file), named = StatAt(directory, name);
  return opened && named && IsSameFile(*opened, *named);
}

Result<struct statfs> StatFilesystem(const Fd& file) {
  struct statfs status;
  if (Retry([&] { return fstatfs(file.get(), &status); }) != 0) return FailErrno(errno, "fstatfs");
  return status;
}

Result<size_t> ReadAt(const Fd& file, std::span<uint8_t> out, uint64_t offset) {
  size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t got = Retry([&] {
      return pread(file.get(), out.data() + filled, out.size() - filled,
                   static_cast<off_t>(offset + filled));
    });
    if (got < 0) return FailErrno(errno, "read");
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return filled;
}

Result<std::vector<uint8_t>> ReadAll(const Fd& file, uint64_t max_bytes) {
  const struct stat status = TRY(Stat(file));
  // Files of /proc and the like are regular and have no size.
  if (S_ISREG(status.st_mode) && status.st_size > 0) {
    return ReadRegular(file, static_cast<uint64_t>(status.st_size), max_bytes);
  }
  return ReadStream(file, max_bytes);
}

Status WriteAll(const Fd& file, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = Retry([&] { return write(file.get(), bytes.data(), bytes.size()); });
    if (put <= 0) return FailErrno(put < 0 ? errno : EIO, "write");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

Status WriteAll(const Fd& file, std::string_view text) {
  return WriteAll(file, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

Status WriteAt(const Fd& file, std::span<const uint8_t> bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = Retry(
        [&] { return pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (put <= 0) return FailErrno(put < 0 ? errno : EIO, "write");
    bytes = bytes.subspan(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return {};
}

Result<std::vector<std::string>> ReadNames(const Fd& directory) {
  // A second open file: fdopendir(3) takes its descriptor over, and an O_PATH one cannot be read.
  Fd readable = TRY(OpenAt(directory, ".", O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(readable.get()), closedir);
  if (stream == nullptr) return FailErrno(errno, "fdopendir");
  static_cast<void>(readable.Release());
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) return FailErrno(errno, "readdir");
      return names;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
}

Status UnlinkAt(const Fd& directory, const char* name, int flags) {
  if (unlinkat(directory.get(), name, flags) != 0) return FailErrno(errno, "unlink {}", name);
  return {};
}

Status RenameAt(const Fd& directory, const char* from, const char* to) {
  if (renameat(directory.get(), from, directory.get(), to) != 0) {
    return FailErrno(errno, "rename {} to {}", from, to);
  }
  return {};
}

Result<Fd> OpenUnnamed(const Fd& directory, mode_t mode) {
  auto file = OpenAt(directory, ".", O_TMPFILE | O_RDWR, mode);
  // A kernel whose filesystem lacks O_TMPFILE says EOPNOTSUPP; one that does not know the flag sees
  // O_DIRECTORY in it and says EISDIR (open(2), "O_TMPFILE").
  if (!file &&
      (file.error().error_number() == EOPNOTSUPP || file.error().error_number() == EISDIR)) {
    return Fail(Code::kUnimplemented, "the filesystem has no unnamed files (O_TMPFILE)");
  }
  return file;
}

Status LinkUnnamed(const Fd& file, const Fd& directory, const char* name) {
  // By descriptor alone: needs CAP_DAC_READ_SEARCH before Linux 6.10 (open_by_handle-like rule of
  // linkat(2), "AT_EMPTY_PATH"); the other way needs /proc.
  if (linkat(file.get(), "", directory.get(), name, AT_EMPTY_PATH) == 0) return {};
  if (errno == EEXIST) return FailErrno(errno, "link {}", name);
  const std::string path = fmt::format("/proc/thread-self/fd/{}", file.get());
  if (linkat(AT_FDCWD, path.c_str(), directory.get(), name, AT_SYMLINK_FOLLOW) == 0) return {};
  return FailErrno(errno, "link {}", name);
}

Result<bool> TryLock(const Fd& file) {
  if (Retry([&] { return flock(file.get(), LOCK_EX | LOCK_NB); }) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return FailErrno(errno, "flock");
}

void Unlock(const Fd& file) { flock(file.get(), LOCK_UN); }

Status Touch(const Fd& file) {
  if (futimens(file.get(), nullptr) != 0) return FailErrno(errno, "futimens");
  return {};
}

}  // namespace wasmoor::os
