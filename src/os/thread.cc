#include "wasmoor/os/thread.h"

#include <sched.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace wasmoor::os {
namespace {

std::chrono::nanoseconds TimeOf(clockid_t clock) {
  struct timespec time = {};
  if (::clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Status SetThreadGroups(std::span<const gid_t> groups) {
  if (syscall(SYS_setgroups, groups.size(), groups.data()) != 0)
    return FailErrno(errno, "setgroups");
  return {};
}

// Neither tells whether it did what it was asked for: the next call says who it is.
Status SetThreadFileUser(uid_t uid, gid_t gid) {
  constexpr auto kNobody = static_cast<uid_t>(-1);
  syscall(SYS_setfsgid, gid);
  if (static_cast<gid_t>(syscall(SYS_setfsgid, kNobody)) != gid)
    return FailErrno(EPERM, "reach files as group {}", gid);
  syscall(SYS_setfsuid, uid);
  if (static_cast<uid_t>(syscall(SYS_setfsuid, kNobody)) != uid)
    return FailErrno(EPERM, "reach files as user {}", uid);
  return {};
}

Status SeparateThreadFiles() {
  if (syscall(SYS_unshare, CLONE_FILES) != 0)
    return FailErrno(errno, "a descriptor table of the thread's own");
  return {};
}

bool IsThreadGone(pid_t thread) {
  return syscall(SYS_tgkill, getpid(), thread, 0) != 0 && errno == ESRCH;
}

std::chrono::nanoseconds OwnThreadTime() { return TimeOf(CLOCK_THREAD_CPUTIME_ID); }

std::chrono::nanoseconds ThreadTime(pid_t thread) {
  // clock_getcpuclockid(3): the clock of a thread's scheduler time, by its number.
  constexpr int kBits = 3, kPerThread = 4, kScheduler = 2;
  const auto clock =
      static_cast<clockid_t>((~static_cast<unsigned>(thread) << kBits) | kPerThread | kScheduler);
  return TimeOf(clock);
}

}  // namespace wasmoor::os
