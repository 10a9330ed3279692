#include "wasmoor/cgroup/own_limits.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

#include "cgroup/control_file.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

constexpr uint64_t kMillicores = 1000;

const Hierarchy* Find(const Root& root, std::string_view controller) {
  for (const Hierarchy& one : root.hierarchies()) {
    const bool is_whole = one.version == 2 && one.controllers.empty();
    if (is_whole || std::find(one.controllers.begin(), one.controllers.end(), controller) !=
                        one.controllers.end())
      return &one;
  }
  return nullptr;
}

uint64_t CpuLimitOf(const os::Fd& group, int version) {
  uint64_t quota = kUnlimited, period = 0;
  if (version == 2) {
    const std::string text = ReadControlOrNothing(group, "cpu.max");
    std::string_view rest = text;
    const std::string_view first = TakeUntil(&rest, ' ');
    if (first.empty() || first == "max") return kUnlimited;
    quota = ToNumber(first);
    period = ToNumber(TakeUntil(&rest, '\n'));
  } else {
    quota = ReadNumberOr(group, "cpu.cfs_quota_us", kUnlimited);
    period = ReadNumberOr(group, "cpu.cfs_period_us", 0);
  }
  if (quota >= kUnlimited / kMillicores || period == 0) return kUnlimited;
  return std::max<uint64_t>(quota * kMillicores / period, 1);
}

uint64_t MemoryLimitOf(const os::Fd& group, int version) {
  return ReadNumberOr(group, version == 2 ? "memory.max" : "memory.limit_in_bytes", kUnlimited);
}

// The least of the group and all above it: a limit holds for what is below.
template <typename Limit>
uint64_t LeastOf(const Hierarchy* hierarchy, Limit limit) {
  uint64_t least = kUnlimited;
  if (hierarchy == nullptr) return least;
  std::string path = hierarchy->own_path;
  for (;;) {
    const auto group =
        os::OpenAt(os::Fd(), (hierarchy->mount_point + path).c_str(), O_PATH | O_DIRECTORY);
    if (group) least = std::min(least, limit(*group, hierarchy->version));
    if (path.empty() || path == "/") return least;
    path.resize(path.rfind('/'));
  }
}

}  // namespace

OwnLimits ReadOwnLimits(const Root& root) {
  return {.millicores = LeastOf(Find(root, "cpu"), CpuLimitOf),
          .memory_bytes = LeastOf(Find(root, "memory"), MemoryLimitOf)};
}

uint64_t ReadOwnCpuTime(const Root& root) {
  const Hierarchy* const hierarchy =
      Find(root, "cpuacct") != nullptr ? Find(root, "cpuacct") : Find(root, "cpu");
  if (hierarchy == nullptr) return 0;
  const auto group = os::OpenAt(os::Fd(), (hierarchy->mount_point + hierarchy->own_path).c_str(),
                                O_PATH | O_DIRECTORY);
  if (!group) return 0;
  if (hierarchy->version == 1) return ReadNumberOr(*group, "cpuacct.usage", 0);
  constexpr uint64_t kMicrosecond = 1000;
  return NumberOf(ReadControlOrNothing(*group, "cpu.stat"), "usage_usec") * kMicrosecond;
}

}  // namespace wasmoor::cgroup
