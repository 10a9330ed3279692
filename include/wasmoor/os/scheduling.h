#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>

#include "wasmoor/base/result.h"

// What the C library has no functions for. `process` 0: the calling thread.
namespace wasmoor::os {

// On how many CPUs this process may run; at least 1.
uint32_t CpuCount();

// The fields of sched_setattr(2).
struct SchedulingPolicy {
  uint32_t policy = 0;  // SCHED_…
  uint64_t flags = 0;   // SCHED_FLAG_…
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;  // Nanoseconds.
};
Status SetScheduling(pid_t process, const SchedulingPolicy& policy);

// How long the calling thread runs before others that wait for its CPU have a turn, 0.1 to 100 ms;
// zero: as long as is usual. With short turns it has no larger part of the CPU: it has it sooner
// when it wakes, which is for threads that work little and are waited for. What it begins has the
// same turns, or usual ones and no nice value below 0 (SCHED_FLAG_RESET_ON_FORK, which to take back
// needs CAP_SYS_NICE). Before Linux 6.12 all turns are usual ones.
enum class Children : uint8_t { kUsual, kSame };
Status TakeTurnsOf(std::chrono::nanoseconds turn, Children children);
inline constexpr std::chrono::microseconds kShortTurns{100};  // The shortest that there are.

// The classes of ioprio_set(2), of which <linux/ioprio.h> is C only in newer kernels: a function
// there has a parameter named `class`.
inline constexpr int kIoClassRealTime = 1, kIoClassBestEffort = 2, kIoClassIdle = 3;
// As the kernel has a class and the level within it, 0 to 7.
constexpr int IoPriorityOf(int io_class, int level) { return io_class << 13 | level; }
Status SetIoPriority(pid_t process, int io_class, int level);

// keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: a new session keyring of this name, which this thread can
// search and nobody else's keys are in.
Status JoinNewKeyring(const char* name);

}  // namespace wasmoor::os
