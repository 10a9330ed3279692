#include "function/catalog/watch.h"

#include <linux/magic.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "wasmoor/os/file.h"

namespace wasmoor::function {
namespace {

constexpr uint32_t kComplete = IN_CLOSE_WRITE | IN_MOVED_TO;
constexpr uint32_t kGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;
constexpr uint32_t kEvents = kComplete | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr size_t kBufferBytes = 16 << 10;
constexpr std::array<uint32_t, 5> kLocal = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                            TMPFS_MAGIC, F2FS_SUPER_MAGIC};

}  // namespace

bool IsHeardOf(const os::Fd& directory) {
  const auto status = os::StatFilesystem(directory);
  return status && std::find(kLocal.begin(), kLocal.end(), static_cast<uint32_t>(status->f_type)) !=
                       kLocal.end();
}

Result<std::unique_ptr<Watch>> Watch::Create(loop::Loop& loop,
                                             std::function<void(const Event&)> hear,
                                             std::function<void()> end) {
  os::Fd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!events.valid()) return FailErrno(errno, "inotify");
  std::unique_ptr<Watch> watch(new Watch(std::move(events), std::move(hear), std::move(end)));
  watch->source_ = TRY(loop.Watch(watch->events_));
  watch->source_.OnReadable([raw = watch.get()] { raw->Read(); });
  return watch;
}

Result<int> Watch::Add(const std::string& path) {
  const int number = ::inotify_add_watch(events_.get(), path.c_str(), kEvents);
  if (number < 0) return FailErrno(errno, "watch {}", path);
  return number;
}

void Watch::Remove(int directory) { ::inotify_rm_watch(events_.get(), directory); }

void Watch::Read() {
  alignas(inotify_event) std::array<char, kBufferBytes> buffer;
  const ssize_t filled = ::read(events_.get(), buffer.data(), buffer.size());
  if (filled <= 0) return;  // EAGAIN, EINTR: later.
  for (const char* at = buffer.data(); at < buffer.data() + filled;) {
    inotify_event event;
    std::memcpy(&event, at, sizeof event);
    // The kernel pads names with NULs.
    const char* const name = event.len > 0 ? at + sizeof event : "";
    hear_({.directory = (event.mask & IN_Q_OVERFLOW) != 0 ? kNone : event.wd,
           .name = std::string_view(name, ::strnlen(name, event.len)),
           .is_complete = (event.mask & kComplete) != 0,
           .is_over = (event.mask & kGone) != 0});
    at += sizeof event + event.len;
  }
  end_();
}

}  // namespace wasmoor::function
