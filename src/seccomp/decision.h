#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "wasmoor/os/seccomp.h"

// Filters taken apart by what they decide, and put together again so that the kernel is quick with
// them. When a filter is installed, the kernel tries it with every number of a system call to learn
// which of them it always allows (seccomp_cache_prepare_bitmap in kernel/seccomp.c), and compiles
// it: both take long with a long filter, and every start of a container pays for both. What puts
// filters together can be run by the compiler (the filter of guests is a constant).
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

// Instructions that filters are made of.
namespace code {
constexpr uint32_t kArchitecture = offsetof(seccomp_data, arch);
constexpr uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr size_t kFarthest = UINT8_MAX;  // Of a conditional jump.

constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kJump = BPF_JMP | BPF_JA;
constexpr uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr uint16_t kIfGreater = BPF_JMP | BPF_JGT | BPF_K;
constexpr uint16_t kIfAtLeast = BPF_JMP | BPF_JGE | BPF_K;
constexpr uint16_t kReturn = BPF_RET | BPF_K;

constexpr void Append(Instructions* out, const Instructions& more) {
  out->insert(out->end(), more.begin(), more.end());
}
}  // namespace code

constexpr Instructions Answer(uint32_t value) {  // SECCOMP_RET_*.
  return {{.code = code::kReturn, .k = value}};
}

// One more range behind those that are there, or none if the last one does the same.
constexpr void Add(Ranges* ranges, uint32_t first, Instructions code) {
  if (ranges->empty() || ranges->back().code != code) ranges->push_back({first, std::move(code)});
}

// What `filter`, a whole one that the kernel would take, does about each call of `architecture`
// (AUDIT_ARCH_*). It is followed with every number that it tells apart from the one before.
Ranges RangesOf(std::span<const os::FilterInstruction> filter, uint32_t architecture);

// `below`, and `above` for the numbers from `first` on.
Ranges Join(const Ranges& below, uint32_t first, const Ranges& above);

struct Decisions {
  uint32_t architecture = 0;
  Ranges ranges;
};

// Finds the range of the number in the accumulator by halving.
constexpr Instructions Search(std::span<const Range> ranges) {
  if (ranges.size() == 1) return ranges.front().code;
  const size_t middle = ranges.size() / 2;
  const Instructions left = Search(ranges.first(middle));
  const Instructions right = Search(ranges.subspan(middle));
  Instructions filter;
  filter.reserve(left.size() + right.size() + 2);
  const uint32_t first = ranges[middle].first;
  if (left.size() <= code::kFarthest) {
    filter.push_back(
        {.code = code::kIfAtLeast, .if_true = static_cast<uint8_t>(left.size()), .k = first});
  } else {
    filter.push_back({.code = code::kIfAtLeast, .if_false = 1, .k = first});
    filter.push_back({.code = code::kJump, .k = static_cast<uint32_t>(left.size())});
  }
  code::Append(&filter, left);
  code::Append(&filter, right);
  return filter;
}

// The filter that has `other` for calls of architectures that are not there.
constexpr Instructions Assemble(std::span<const Decisions> architectures,
                                const Instructions& other) {
  Instructions filter = {{.code = code::kLoad, .k = code::kArchitecture}};
  for (const Decisions& one : architectures) {
    const Instructions search = Search(one.ranges);
    const size_t size = search.size() + 1;
    if (size <= code::kFarthest) {
      filter.push_back(
          {.code = code::kIfEqual, .if_false = static_cast<uint8_t>(size), .k = one.architecture});
    } else {
      filter.push_back({.code = code::kIfEqual, .if_true = 1, .k = one.architecture});
      filter.push_back({.code = code::kJump, .k = static_cast<uint32_t>(size)});
    }
    filter.push_back({.code = code::kLoad, .k = code::kNumber});
    code::Append(&filter, search);
  }
  code::Append(&filter, other);
  return filter;
}

}  // namespace wasmoor::seccomp
