#include "wasmoor/os/scheduling.h"

#include <linux/keyctl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace wasmoor::os {
namespace {

// struct sched_attr of sched_setattr(2), in its first published size; the kernel's header of it
// cannot be included beside the C library's.
struct KernelPolicy {
  uint32_t size = sizeof(KernelPolicy);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};
static_assert(sizeof(KernelPolicy) == 48);

}  // namespace

uint32_t CpuCount() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<uint32_t>(std::max(1, CPU_COUNT(&set)));
}

Status SetScheduling(pid_t process, const SchedulingPolicy& policy) {
  KernelPolicy kernel;
  kernel.policy = policy.policy;
  kernel.flags = policy.flags;
  kernel.nice = policy.nice;
  kernel.priority = policy.priority;
  kernel.runtime = policy.runtime;
  kernel.deadline = policy.deadline;
  kernel.period = policy.period;
  if (syscall(SYS_sched_setattr, process, &kernel, 0) == 0) return {};
  return FailErrno(errno, "scheduling policy {}, nice {}, priority {}", policy.policy, policy.nice,
                   policy.priority);
}

Status TakeTurnsOf(std::chrono::nanoseconds turn, Children children) {
  constexpr uint64_t kResetOnFork = 1;  // SCHED_FLAG_RESET_ON_FORK
  errno = 0;
  const int nice = ::getpriority(PRIO_PROCESS, 0);
  if (errno != 0) return FailErrno(errno, "getpriority");
  return SetScheduling(0, {.policy = SCHED_OTHER,
                           .flags = children == Children::kUsual ? kResetOnFork : 0,
                           .nice = nice,
                           .runtime = static_cast<uint64_t>(turn.count())});
}

Status SetIoPriority(pid_t process, int io_class, int level) {
  constexpr int kProcess = 1;  // IOPRIO_WHO_PROCESS
  if (syscall(SYS_ioprio_set, kProcess, process, IoPriorityOf(io_class, level)) == 0) return {};
  return FailErrno(errno, "disk priority of class {}, level {}", io_class, level);
}

Status JoinNewKeyring(const char* name) {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) >= 0) return {};
  return FailErrno(errno, "session keyring {}", name);
}

}  // namespace wasmoor::os
