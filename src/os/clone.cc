#include "wasmoor/os/clone.h"

#include <linux/sched.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "wasmoor/base/check.h"

namespace wasmoor::os {
namespace {

// The directory of our threads has a link for each of them, and two of its own (stat(2), st_nlink).
bool HasOneThread() {
  struct stat status;
  constexpr nlink_t kOwnLinks = 2;
  if (::stat("/proc/self/task", &status) != 0) return true;  // Without /proc nobody can tell.
  return status.st_nlink == kOwnLinks + 1;
}

}  // namespace

Result<Cloned> Clone(const CloneOptions& options) {
  CHECK(HasOneThread());
  int process = -1;
  struct clone_args arguments = {};
  arguments.flags = options.namespaces | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&process);
  arguments.exit_signal = SIGCHLD;
  if (options.sibling) {
    // Then the signal is the one that our own parent gets of us (clone(2)).
    arguments.flags |= CLONE_PARENT;
    arguments.exit_signal = 0;
  }
  if (options.cgroup != nullptr) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(options.cgroup->get());
  }
  const long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
  if (pid < 0) return FailErrno(errno, "clone3");
  if (pid == 0) return Cloned{};
  return Cloned{static_cast<pid_t>(pid), Fd(process)};
}

Status Unshare(int namespaces) {
  if (syscall(SYS_unshare, namespaces) != 0) return FailErrno(errno, "unshare");
  return {};
}

Status EnterNamespace(const Fd& file, int type) {
  if (syscall(SYS_setns, file.get(), type) != 0) return FailErrno(errno, "setns");
  return {};
}

}  // namespace wasmoor::os
