#pragma once

#include <cstdint>

#include "wasmoor/cgroup/root.h"
#include "wasmoor/cgroup/stats.h"

namespace wasmoor::cgroup {

// What the calling process may have in all, by its own group and those above it that are to be seen
// here: in a container, what the container may have.
struct OwnLimits {
  uint64_t millicores = kUnlimited;    // Thousandths of a CPU (cpu.max, cpu.cfs_quota_us).
  uint64_t memory_bytes = kUnlimited;  // memory.max, memory.limit_in_bytes.
};
OwnLimits ReadOwnLimits(const Root& root);

// Of the process's own group, CPU time used until now, in nanoseconds; 0 where that is not counted.
uint64_t ReadOwnCpuTime(const Root& root);

}  // namespace wasmoor::cgroup
