#pragma once

#include <cstdint>
#include <functional>

#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::sandbox {

// What a guest that is a thread uses.
struct GuestUse {
  uint64_t memory_bytes = 0;
  uint64_t cpu_ns = 0;
  bool cpu_in_group = false;  // The container's control group counts it, too.
};

// What InprocSandbox is to the pod around it.
class GuestSandbox : public Sandbox {
 public:
  // `tell` is called for each guest that runs, once it is known; it goes when all have been asked.
  virtual void ReadUse(const std::function<void(const GuestUse&)>& tell) = 0;
};

}  // namespace wasmoor::sandbox
