#include <cerrno>

#include "cgroup/control_file.h"
#include "cgroup/limits.h"

namespace wasmoor::cgroup {
namespace {

constexpr uint64_t kMinShares = 2, kMaxShares = 262144;

// The kernel refuses a quota and a period that together give more time than the parent has, at
// each of the two writes: whichever of them passes goes first.
Status SetBandwidthV1(const Branch& branch, const oci::CpuResources& cpu) {
  bool period_is_set = !cpu.period || *cpu.period == 0;
  const Field period{branch, "cpu.period"};
  if (!period_is_set && cpu.quota) {
    period_is_set = period.SetNumber("cpu.cfs_period_us", *cpu.period).has_value();
  }
  if (cpu.quota && *cpu.quota != 0)
    TRY((Field{branch, "cpu.quota"}.Set("cpu.cfs_quota_us", LimitText(branch, *cpu.quota))));
  if (!period_is_set) TRY(period.SetNumber("cpu.cfs_period_us", *cpu.period));
  if (cpu.burst) TRY((Field{branch, "cpu.burst"}.SetNumber("cpu.cfs_burst_us", *cpu.burst)));
  return {};
}

Status SetCpuV1(const Branch& branch, const oci::CpuResources& cpu) {
  // A group that is idle has no shares to set (EINVAL), and idle alone says how much it gets.
  if (cpu.idle) TRY((Field{branch, "cpu.idle"}.SetNumber("cpu.idle", *cpu.idle)));
  if (cpu.shares && *cpu.shares != 0 && cpu.idle.value_or(0) == 0)
    TRY((Field{branch, "cpu.shares"}.SetNumber("cpu.shares", *cpu.shares)));
  TRY(SetBandwidthV1(branch, cpu));
  if (cpu.realtime_period && *cpu.realtime_period != 0) {
    TRY((Field{branch, "cpu.realtimePeriod"}.SetNumber("cpu.rt_period_us", *cpu.realtime_period)));
  }
  if (!cpu.realtime_runtime) return {};
  return Field{branch, "cpu.realtimeRuntime"}.SetNumber("cpu.rt_runtime_us", *cpu.realtime_runtime);
}

Status SetCpuV2(const Branch& branch, const oci::CpuResources& cpu) {
  if (cpu.realtime_period.value_or(0) != 0 || cpu.realtime_runtime.value_or(0) != 0)
    return NotOnV2("cpu.realtimeRuntime", "leave realtimeRuntime and realtimePeriod out");
  if (cpu.idle) TRY((Field{branch, "cpu.idle"}.SetNumber("cpu.idle", *cpu.idle)));
  if (cpu.shares && *cpu.shares != 0 && cpu.idle.value_or(0) == 0)
    TRY((Field{branch, "cpu.shares"}.SetNumber("cpu.weight", CpuWeight(*cpu.shares))));
  const bool has_quota = cpu.quota && *cpu.quota != 0, has_period = cpu.period && *cpu.period != 0;
  if (has_quota || has_period) {
    // Both stand in one file: the one that is not given stays.
    const std::string now = ReadControlOrNothing(branch.directory, "cpu.max");
    std::string_view rest = now;
    std::string value(has_quota ? LimitText(branch, *cpu.quota)
                                : std::string(TakeUntil(&rest, ' ')));
    if (value.empty()) value = "max";
    if (has_period) value += fmt::format(" {}", *cpu.period);
    TRY((Field{branch, has_quota ? "cpu.quota" : "cpu.period"}.Set("cpu.max", value)));
  }
  if (!cpu.burst) return {};
  return Field{branch, "cpu.burst"}.SetNumber("cpu.max.burst", *cpu.burst);
}

}  // namespace

uint64_t CpuWeight(uint64_t shares) {
  shares = std::min(std::max(shares, kMinShares), kMaxShares);
  return 1 + (shares - kMinShares) * 9999 / (kMaxShares - kMinShares);
}

Status ApplyCpu(const Tree& tree, const oci::CpuResources& cpu) {
  if (!cpu.cpus.empty() || !cpu.mems.empty()) {
    const char* name = cpu.cpus.empty() ? "cpu.mems" : "cpu.cpus";
    const Branch* cpuset = TRY(Need(tree, "cpuset", name));
    if (!cpu.cpus.empty()) TRY((Field{*cpuset, "cpu.cpus"}.Set("cpuset.cpus", cpu.cpus)));
    if (!cpu.mems.empty()) TRY((Field{*cpuset, "cpu.mems"}.Set("cpuset.mems", cpu.mems)));
  }
  if (!cpu.shares && !cpu.quota && !cpu.period && !cpu.burst && !cpu.idle && !cpu.realtime_period &&
      !cpu.realtime_runtime)
    return {};
  const Branch* branch = TRY(Need(tree, "cpu", "cpu"));
  return branch->v2() ? SetCpuV2(*branch, cpu) : SetCpuV1(*branch, cpu);
}

}  // namespace wasmoor::cgroup
