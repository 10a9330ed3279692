#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// What processes have of the machine at this moment (proc(5)).
struct ProcessUsage {
  double cpu_seconds = 0;       // User and system, of all threads, ended ones too.
  uint64_t resident_bytes = 0;  // Pages that several have are counted for each.
  uint64_t threads = 0;
  uint64_t descriptors = 0;

  ProcessUsage& operator+=(const ProcessUsage& other);
};

// kNotFound: it has ended.
Result<ProcessUsage> ReadProcessUsage(pid_t pid);
// The sum; those that have ended count for nothing.
ProcessUsage ReadProcessUsage(std::span<const pid_t> pids);

}  // namespace wasmoor::cmd
