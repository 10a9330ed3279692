#include "seccomp/decision.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>

#include "wasmoor/base/check.h"

namespace wasmoor::seccomp {
namespace {

using os::FilterInstruction;
using Filter = std::span<const FilterInstruction>;

constexpr uint32_t kArchitecture = offsetof(seccomp_data, arch);
constexpr uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr size_t kFarthest = UINT8_MAX;  // Of a conditional jump.

constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kJump = BPF_JMP | BPF_JA;
constexpr uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;
constexpr uint16_t kIfGreater = BPF_JMP | BPF_JGT | BPF_K;
constexpr uint16_t kIfAtLeast = BPF_JMP | BPF_JGE | BPF_K;
constexpr uint16_t kReturn = BPF_RET | BPF_K;

bool IsConditional(const FilterInstruction& one) {
  return BPF_CLASS(one.code) == BPF_JMP && BPF_OP(one.code) != BPF_JA;
}

void Append(Instructions* out, const Instructions& more) {
  out->insert(out->end(), more.begin(), more.end());
}

// What can be reached from `start`, without what lies between. All jumps lead forward
// (bpf_check_classic in net/core/filter.c), so that one pass finds it.
Instructions Reachable(Filter filter, size_t start) {
  std::vector<bool> reached(filter.size());
  reached[start] = true;
  const auto each_next = [&](size_t at, const auto& visit) {
    const FilterInstruction& one = filter[at];
    if (BPF_CLASS(one.code) == BPF_RET) return;
    if (one.code == kJump) return visit(at + 1 + one.k);
    if (!IsConditional(one)) return visit(at + 1);
    visit(at + 1 + one.if_true);
    visit(at + 1 + one.if_false);
  };
  for (size_t at = start; at < filter.size(); ++at) {
    if (!reached[at]) continue;
    each_next(at, [&](size_t next) {
      CHECK(next < filter.size());
      reached[next] = true;
    });
  }
  // New places: the number of those before it that were reached.
  std::vector<uint32_t> place(filter.size());
  for (size_t at = start + 1; at < filter.size(); ++at)
    place[at] = place[at - 1] + (reached[at - 1] ? 1 : 0);
  Instructions code;
  for (size_t at = start; at < filter.size(); ++at) {
    if (!reached[at]) continue;
    FilterInstruction one = filter[at];
    const auto distance = [&](size_t to) { return place[to] - place[at] - 1; };
    if (one.code == kJump) {
      one.k = distance(at + 1 + one.k);
    } else if (IsConditional(one)) {
      one.if_true = static_cast<uint8_t>(distance(at + 1 + one.if_true));
      one.if_false = static_cast<uint8_t>(distance(at + 1 + one.if_false));
    }
    code.push_back(one);
  }
  return code;
}

// Follows a filter as far as it looks at nothing but architecture and number.
Instructions Follow(Filter filter, uint32_t architecture, uint32_t number) {
  uint32_t accumulator = 0;
  uint32_t loaded = kNumber;  // Where that comes from.
  for (size_t at = 0;;) {
    CHECK(at < filter.size());
    const FilterInstruction& one = filter[at];
    const auto jump = [&](bool condition) { at += 1 + (condition ? one.if_true : one.if_false); };
    switch (one.code) {
      case kReturn: return {one};
      case kJump: at += 1 + one.k; continue;
      case kIfEqual: jump(accumulator == one.k); continue;
      case kIfGreater: jump(accumulator > one.k); continue;
      case kIfAtLeast: jump(accumulator >= one.k); continue;
      case kLoad:
        if (one.k != kArchitecture && one.k != kNumber) return Reachable(filter, at);
        loaded = one.k;
        accumulator = loaded == kNumber ? number : architecture;
        ++at;
        continue;
      default: break;
    }
    Instructions rest = {{.code = kLoad, .k = loaded}};
    Append(&rest, Reachable(filter, at));
    return rest;
  }
}

Instructions Search(std::span<const Range> ranges) {
  if (ranges.size() == 1) return ranges.front().code;
  const size_t middle = ranges.size() / 2;
  const Instructions left = Search(ranges.first(middle));
  const Instructions right = Search(ranges.subspan(middle));
  Instructions code;
  code.reserve(left.size() + right.size() + 2);
  const uint32_t first = ranges[middle].first;
  if (left.size() <= kFarthest) {
    code.push_back({.code = kIfAtLeast, .if_true = static_cast<uint8_t>(left.size()), .k = first});
  } else {
    code.push_back({.code = kIfAtLeast, .if_false = 1, .k = first});
    code.push_back({.code = kJump, .k = static_cast<uint32_t>(left.size())});
  }
  Append(&code, left);
  Append(&code, right);
  return code;
}

void Add(Ranges* ranges, uint32_t first, Instructions code) {
  if (ranges->empty() || ranges->back().code != code) ranges->push_back({first, std::move(code)});
}

}  // namespace

Instructions Answer(uint32_t value) { return {{.code = kReturn, .k = value}}; }

Ranges RangesOf(std::span<const FilterInstruction> filter, uint32_t architecture) {
  std::vector<uint32_t> firsts = {0};
  for (const FilterInstruction& one : filter) {
    if (one.code != kIfEqual && one.code != kIfGreater && one.code != kIfAtLeast) continue;
    firsts.push_back(one.k);
    if (one.k < UINT32_MAX) firsts.push_back(one.k + 1);
  }
  std::sort(firsts.begin(), firsts.end());
  firsts.erase(std::unique(firsts.begin(), firsts.end()), firsts.end());
  Ranges ranges;
  for (const uint32_t first : firsts) Add(&ranges, first, Follow(filter, architecture, first));
  return ranges;
}

Ranges Join(const Ranges& below, uint32_t first, const Ranges& above) {
  Ranges joined;
  for (const Range& one : below) {
    if (one.first < first) Add(&joined, one.first, one.code);
  }
  for (size_t i = 0; i < above.size(); ++i) {
    const bool ends_before = i + 1 < above.size() && above[i + 1].first <= first;
    if (!ends_before) Add(&joined, std::max(first, above[i].first), above[i].code);
  }
  return joined;
}

Instructions Assemble(std::span<const Decisions> architectures, const Instructions& other) {
  Instructions code = {{.code = kLoad, .k = kArchitecture}};
  for (const Decisions& one : architectures) {
    const Instructions search = Search(one.ranges);
    const size_t size = search.size() + 1;
    if (size <= kFarthest) {
      code.push_back(
          {.code = kIfEqual, .if_false = static_cast<uint8_t>(size), .k = one.architecture});
    } else {
      code.push_back({.code = kIfEqual, .if_true = 1, .k = one.architecture});
      code.push_back({.code = kJump, .k = static_cast<uint32_t>(size)});
    }
    code.push_back({.code = kLoad, .k = kNumber});
    Append(&code, search);
  }
  Append(&code, other);
  return code;
}

}  // namespace wasmoor::seccomp
