#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wasmoor/os/seccomp.h"

// Filters taken apart by what they decide, and put together again so that the kernel is quick with
// them. When a filter is installed, the kernel tries it with every number of a system call to learn
// which of them it always allows (seccomp_cache_prepare_bitmap in kernel/seccomp.c), and compiles
// it: both take long with a long filter, and every start of a container pays for both.
namespace wasmoor::seccomp {

using Instructions = std::vector<os::FilterInstruction>;

// What is to be done about the system calls from `first` on, up to the next range's first: a
// return, or what looks at a call's arguments before it returns. The code does not mind what the
// accumulator holds.
struct Range {
  uint32_t first = 0;
  Instructions code;
};
// Sorted, beginning with number 0; neighbours differ.
using Ranges = std::vector<Range>;

Instructions Answer(uint32_t value);  // SECCOMP_RET_*.

// What `filter`, a whole one that the kernel would take, does about each call of `architecture`
// (AUDIT_ARCH_*). It is followed with every number that it tells apart from the one before.
Ranges RangesOf(std::span<const os::FilterInstruction> filter, uint32_t architecture);

// `below`, and `above` for the numbers from `first` on.
Ranges Join(const Ranges& below, uint32_t first, const Ranges& above);

struct Decisions {
  uint32_t architecture = 0;
  Ranges ranges;
};
// The filter that finds a call's range by halving, and has `other` for calls of architectures that
// are not there.
Instructions Assemble(std::span<const Decisions> architectures, const Instructions& other);

}  // namespace wasmoor::seccomp
