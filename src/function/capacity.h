#pragma once

#include <cstdint>

#include "wasmoor/cgroup/own_limits.h"
#include "wasmoor/function/admission/admission.h"
#include "wasmoor/function/server.h"

namespace wasmoor::function {

// What there is for guests, and how it was found.
struct Supply {
  uint32_t cpus = 1;               // That loops are made for.
  uint64_t millicores = 0;         // In all.
  uint64_t memory_bytes = 0;       // For requests.
  uint64_t idle_memory_bytes = 0;  // For instances between two requests, besides.
};

// Of the CPUs that the process may run on and of its memory, as far as its control groups let it:
// what a server needs for itself is taken off.
Supply FindSupply(const ServerSettings& settings, const cgroup::OwnLimits& limits);

// What is admitted at once, and what may wait.
Capacity CapacityOf(const ServerSettings& settings, const Supply& supply);

// The settings' most, where that is as much as there is.
Allowance MostOf(const ServerSettings& settings, const Supply& supply);

}  // namespace wasmoor::function
