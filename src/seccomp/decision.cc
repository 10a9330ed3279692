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
using namespace code;

bool IsConditional(const FilterInstruction& one) {
  return BPF_CLASS(one.code) == BPF_JMP && BPF_OP(one.code) != BPF_JA;
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

}  // namespace

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

}  // namespace wasmoor::seccomp
