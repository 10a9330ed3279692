#include "wasi/directory_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "wasi/abi.h"
#include "wasi/descriptor.h"
#include "wasmoor/os/path.h"

namespace wasmoor::wasi {
namespace {

// One entry of the kernel's buffer: getdents64(2). The struct itself is never formed, since its
// d_name is longer than an entry.
class KernelEntry {
 public:
  explicit KernelEntry(const char* at) : at_(at) {}

  uint64_t inode() const { return Get<uint64_t>(offsetof(dirent64, d_ino)); }
  uint64_t next() const { return Get<uint64_t>(offsetof(dirent64, d_off)); }
  size_t size() const { return Get<uint16_t>(offsetof(dirent64, d_reclen)); }
  uint8_t type() const { return Get<uint8_t>(offsetof(dirent64, d_type)); }
  std::string_view name() const { return at_ + offsetof(dirent64, d_name); }

 private:
  template <typename T>
  T Get(size_t offset) const {
    T value;
    std::memcpy(&value, at_ + offset, sizeof(value));
    return value;
  }
  const char* at_;
};

FileType TypeOf(const KernelEntry& entry, const os::Fd& directory) {
  if (entry.type() != DT_UNKNOWN) return FileTypeOf(DTTOIF(entry.type()));
  // Some filesystems do not keep the type beside the name.
  struct stat status = {};
  if (fstatat(directory.get(), entry.name().data(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return FileType::kUnknown;
  return FileTypeOf(status.st_mode);
}

// Puts as much of `bytes` as fits at `*at`; false if something was cut off.
bool Append(const void* bytes, size_t count, std::span<uint8_t> out, size_t* at) {
  const size_t fits = std::min(count, out.size() - *at);
  std::memcpy(out.data() + *at, bytes, fits);
  *at += fits;
  return fits == count;
}

bool AppendEntry(const KernelEntry& entry, FileType type, std::span<uint8_t> out, size_t* at) {
  const std::string_view name = entry.name();
  Dirent header = {};
  header.next = entry.next();
  header.ino = entry.inode();
  header.namlen = static_cast<uint32_t>(name.size());
  header.type = type;
  return Append(&header, sizeof(header), out, at) && Append(name.data(), name.size(), out, at);
}

}  // namespace

Reply DirectoryReader::Read(const hostcall::Call& call, const os::Fd& directory, bool shared,
                            uint64_t cookie, std::span<uint8_t> out, size_t* written) {
  if (shared && !own_.valid()) {
    auto opened = os::OpenBeneath(directory, ".", O_RDONLY | O_DIRECTORY);
    if (!opened) return FromLinux(opened.error());
    own_ = std::move(*opened);
  }
  const os::Fd& stream = shared ? own_ : directory;
  if (const Reply reply = Seek(call, stream, cookie); !reply.ok()) return reply;
  *written = 0;
  while (*written < out.size()) {
    if (next_ == end_) {
      if (const Reply reply = Fill(call, stream); !reply.ok()) return reply;
      if (end_ == 0) break;
    }
    const KernelEntry entry(buffer_.get() + next_);
    if (!AppendEntry(entry, TypeOf(entry, stream), out, written)) break;
    next_ += entry.size();
    next_cookie_ = entry.next();
  }
  return Errno::kSuccess;
}

Reply DirectoryReader::Seek(const hostcall::Call& call, const os::Fd& directory, uint64_t cookie) {
  // Cookie 0 starts over and must see what was made since; no entry is taken from the buffer for
  // it.
  if (!displaced_ && cookie != 0 && (cookie == next_cookie_ || SeekInBuffer(cookie)))
    return Errno::kSuccess;
  // With the buffer used up, the kernel stands where the guest does.
  if (displaced_ || next_ != end_ || next_cookie_ != cookie) {
    const Reply reply = Interruptible(call, [&] {
      return lseek(directory.get(), static_cast<off_t>(cookie), SEEK_SET) < 0 ? -1 : 0;
    });
    if (!reply.ok()) return reply;
  }
  displaced_ = false;
  next_ = end_ = 0;
  next_cookie_ = cookie;
  return Errno::kSuccess;
}

bool DirectoryReader::SeekInBuffer(uint64_t cookie) {
  for (size_t at = 0; at < end_;) {
    const KernelEntry entry(buffer_.get() + at);
    at += entry.size();
    if (entry.next() != cookie) continue;
    next_ = at;
    next_cookie_ = cookie;
    return true;
  }
  return false;
}

Reply DirectoryReader::Fill(const hostcall::Call& call, const os::Fd& directory) {
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  next_ = end_ = 0;
  int64_t filled = 0;
  const Reply reply = Interruptible(
      call,
      [&]() -> int64_t {
        const auto entries = os::ReadEntries(directory, {buffer_.get(), kBufferBytes});
        if (entries) return static_cast<int64_t>(entries->size());
        errno = entries.error();
        return -1;
      },
      &filled);
  if (!reply.ok()) return reply;
  end_ = static_cast<size_t>(filled);
  return Errno::kSuccess;
}

DirectoryReader& DirectoryReaders::Of(uint64_t serial, Listing listing) {
  ++clock_;
  for (Entry& entry : entries_) {
    if (entry.serial != serial) continue;
    entry.used = clock_;
    return *entry.reader;
  }
  Entry fresh = {serial, clock_, std::make_unique<DirectoryReader>(listing)};
  if (entries_.size() < kMost) return *entries_.emplace_back(std::move(fresh)).reader;
  Entry& oldest = *std::min_element(entries_.begin(), entries_.end(),
                                    [](const Entry& a, const Entry& b) { return a.used < b.used; });
  oldest = std::move(fresh);
  return *oldest.reader;
}

void DirectoryReaders::Drop(uint64_t serial) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.serial == serial; });
}

}  // namespace wasmoor::wasi
