#include <cerrno>

#include "cgroup/control_file.h"
#include "cgroup/limits.h"
#include "wasmoor/base/units.h"
#include "wasmoor/cgroup/stats.h"

namespace wasmoor::cgroup {
namespace {

// A runtime's callers write 0 where they have no limit to set.
bool IsSet(const std::optional<int64_t>& limit) { return limit && *limit != 0; }

uint64_t AsBytes(int64_t limit) { return limit < 0 ? kUnlimited : static_cast<uint64_t>(limit); }

Status RefuseBelowUsage(const Branch& branch, int64_t limit) {
  const uint64_t usage =
      ReadNumberOr(branch.directory, branch.v2() ? "memory.current" : "memory.usage_in_bytes", 0);
  if (AsBytes(limit) >= usage) return {};
  return Fail(Code::kFailedPrecondition,
              "linux.resources.memory.limit: {} is less than the {} that are in use",
              FormatSize(AsBytes(limit)), FormatSize(usage));
}

Status SetLimitV1(const Branch& branch, int64_t limit) {
  const Field field{branch, "memory.limit"};
  auto set = field.Set("memory.limit_in_bytes", LimitText(branch, limit));
  if (set || set.error().error_number() != EBUSY) return set;
  // EBUSY tells nobody that the kernel could not get usage below the limit.
  const uint64_t usage = ReadNumberOr(branch.directory, "memory.usage_in_bytes", 0);
  return FailErrno(EBUSY,
                   "linux.resources.memory.limit: {} are in use, more than {} can be freed "
                   "to reach",
                   FormatSize(usage), FormatSize(AsBytes(limit)));
}

// v1 counts memory and swap together, and never lets that limit be below the one of memory: which
// goes first depends on where they are now.
Status SetLimitsV1(const Branch& branch, const oci::MemoryResources& memory) {
  const char* swap_file = "memory.memsw.limit_in_bytes";
  std::optional<int64_t> limit, swap;
  if (IsSet(memory.limit)) limit = memory.limit;
  if (IsSet(memory.swap)) swap = memory.swap;
  if (limit == -1 && !swap && HasControl(branch.directory, swap_file)) swap = -1;
  const Field field{branch, "memory.swap"};
  if (!swap) return limit ? SetLimitV1(branch, *limit) : Status();
  if (!limit) return field.Set(swap_file, LimitText(branch, *swap));
  const uint64_t now = ReadNumberOr(branch.directory, swap_file, kUnlimited);
  if (AsBytes(*limit) > now) {
    TRY(field.Set(swap_file, LimitText(branch, *swap)));
    return SetLimitV1(branch, *limit);
  }
  TRY(SetLimitV1(branch, *limit));
  return field.Set(swap_file, LimitText(branch, *swap));
}

// memory.swap.max counts swap alone.
Status SetSwapV2(const Branch& branch, const oci::MemoryResources& memory) {
  const Field field{branch, "memory.swap"};
  if (!IsSet(memory.swap)) {
    if (memory.limit != -1 || !HasControl(branch.directory, "memory.swap.max")) return {};
    return field.Set("memory.swap.max", "max");
  }
  if (*memory.swap < 0) return field.Set("memory.swap.max", "max");
  const uint64_t limit = IsSet(memory.limit)
                             ? AsBytes(*memory.limit)
                             : ReadNumberOr(branch.directory, "memory.max", kUnlimited);
  if (limit == kUnlimited || AsBytes(*memory.swap) < limit) {
    return Fail(Code::kInvalidArgument,
                "linux.resources.memory.swap: counts memory and swap together and must be at least "
                "linux.resources.memory.limit");
  }
  return field.SetNumber("memory.swap.max", AsBytes(*memory.swap) - limit);
}

Status SetMemoryV2(const Branch& branch, const oci::MemoryResources& memory) {
  if (memory.swappiness)
    return NotOnV2("memory.swappiness", "set /proc/sys/vm/swappiness, or limit swap");
  if (memory.disable_oom_killer.value_or(false))
    return NotOnV2("memory.disableOOMKiller", "set unified memory.high to slow members instead");
  if (memory.kernel_tcp.value_or(0) > 0)
    return NotOnV2("memory.kernelTCP", "memory.limit counts the kernel's buffers too");
  TRY(SetSwapV2(branch, memory));
  if (IsSet(memory.limit))
    TRY((Field{branch, "memory.limit"}.Set("memory.max", LimitText(branch, *memory.limit))));
  if (!IsSet(memory.reservation)) return {};
  return Field{branch, "memory.reservation"}.Set("memory.low",
                                                 LimitText(branch, *memory.reservation));
}

Status SetMemoryV1(const Branch& branch, const oci::MemoryResources& memory) {
  if (memory.use_hierarchy) {
    // Always on since Linux 5.11, which takes no other value.
    const bool now = ReadNumberOr(branch.directory, "memory.use_hierarchy", 1) != 0;
    if (now != *memory.use_hierarchy)
      TRY((Field{branch, "memory.useHierarchy"}.SetNumber("memory.use_hierarchy",
                                                          *memory.use_hierarchy ? 1 : 0)));
  }
  TRY(SetLimitsV1(branch, memory));
  if (IsSet(memory.reservation))
    TRY((Field{branch, "memory.reservation"}.Set("memory.soft_limit_in_bytes",
                                                 LimitText(branch, *memory.reservation))));
  if (IsSet(memory.kernel_tcp))
    TRY((Field{branch, "memory.kernelTCP"}.Set("memory.kmem.tcp.limit_in_bytes",
                                               LimitText(branch, *memory.kernel_tcp))));
  if (memory.swappiness)
    TRY((Field{branch, "memory.swappiness"}.SetNumber("memory.swappiness", *memory.swappiness)));
  if (!memory.disable_oom_killer) return {};
  return Field{branch, "memory.disableOOMKiller"}.SetNumber("memory.oom_control",
                                                            *memory.disable_oom_killer ? 1 : 0);
}

}  // namespace

// memory.kernel is read and not written: no kernel since 5.16 has that limit, and the specification
// calls it a value that may be ignored.
Status ApplyMemory(const Tree& tree, const oci::MemoryResources& memory) {
  const Branch* branch = TRY(Need(tree, "memory", "memory"));
  if (IsSet(memory.limit) && memory.check_before_update.value_or(false))
    TRY(RefuseBelowUsage(*branch, *memory.limit));
  return branch->v2() ? SetMemoryV2(*branch, memory) : SetMemoryV1(*branch, memory);
}

}  // namespace wasmoor::cgroup
