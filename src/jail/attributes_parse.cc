#include <sys/personality.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <span>

#include "jail/attributes.h"
#include "wasmoor/os/features.h"
#include "wasmoor/os/scheduling.h"

namespace wasmoor::jail {
namespace {

// <linux/sched.h> cannot be included beside the C library's <sched.h>.
constexpr uint32_t kDeadlinePolicy = 6;

struct Name {
  std::string_view name;
  uint64_t value;
};

constexpr auto kPolicies = std::to_array<Name>({
    {"SCHED_OTHER", SCHED_OTHER},
    {"SCHED_FIFO", SCHED_FIFO},
    {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH},
    {"SCHED_ISO", 4},
    {"SCHED_IDLE", SCHED_IDLE},
    {"SCHED_DEADLINE", kDeadlinePolicy},
});
constexpr auto kPolicyFlags = std::to_array<Name>({
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},
    {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},
    {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},
    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
});
constexpr auto kIoClasses = std::to_array<Name>({
    {"IOPRIO_CLASS_RT", os::kIoClassRealTime},
    {"IOPRIO_CLASS_BE", os::kIoClassBestEffort},
    {"IOPRIO_CLASS_IDLE", os::kIoClassIdle},
});
constexpr auto kDomains = std::to_array<Name>({{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}});

constexpr int kMaxIoLevel = 7;
constexpr int kMinOomScore = -1000, kMaxOomScore = 1000;

Result<uint64_t> Find(std::span<const Name> names, std::string_view name, std::string_view field) {
  std::string known;
  for (const Name& one : names) {
    if (one.name == name) return one.value;
    known += (known.empty() ? "" : ", ") + std::string(one.name);
  }
  return Fail(Code::kInvalidArgument, "{}: '{}' is unknown; known are {}", field, name, known);
}

Result<uint64_t> ParseSet(const std::vector<std::string>& names, std::string_view set) {
  uint64_t bits = 0;
  for (size_t i = 0; i < names.size(); ++i)
    bits |= os::CapabilityBit(
        TRY_AS(os::ParseCapability(names[i]), "process.capabilities.{}[{}]", set, i));
  return bits;
}

Result<os::CapabilitySets> ParseCapabilities(const oci::Capabilities& names) {
  os::CapabilitySets sets;
  sets.bounding = TRY(ParseSet(names.bounding, "bounding"));
  sets.effective = TRY(ParseSet(names.effective, "effective"));
  sets.inheritable = TRY(ParseSet(names.inheritable, "inheritable"));
  sets.permitted = TRY(ParseSet(names.permitted, "permitted"));
  sets.ambient = TRY(ParseSet(names.ambient, "ambient"));
  // The kernel has none that is not in both (capabilities(7)), and specifications that name more
  // are in use: crun's own template is one.
  sets.ambient &= sets.permitted & sets.inheritable;
  return sets;
}

Result<os::SchedulingPolicy> ParseScheduler(const oci::Scheduler& scheduler) {
  os::SchedulingPolicy policy;
  policy.policy = TRY(Find(kPolicies, scheduler.policy, "process.scheduler.policy"));
  for (size_t i = 0; i < scheduler.flags.size(); ++i)
    policy.flags |=
        TRY(Find(kPolicyFlags, scheduler.flags[i], fmt::format("process.scheduler.flags[{}]", i)));
  if (scheduler.priority < 0)
    return Fail(Code::kInvalidArgument, "process.scheduler.priority: must not be negative, is {}",
                scheduler.priority);
  policy.nice = scheduler.nice;
  policy.priority = scheduler.priority;
  policy.runtime = scheduler.runtime;
  policy.deadline = scheduler.deadline;
  policy.period = scheduler.period;
  return policy;
}

Status ParsePriorities(const oci::Process& process, Attributes* out) {
  if (process.scheduler) out->scheduling = TRY(ParseScheduler(*process.scheduler));
  if (process.io_priority) {
    out->io_class =
        TRY(Find(kIoClasses, process.io_priority->io_class, "process.ioPriority.class"));
    out->io_level = process.io_priority->priority;
    if (out->io_level < 0 || out->io_level > kMaxIoLevel)
      return Fail(Code::kInvalidArgument, "process.ioPriority.priority: must be 0 to {}, is {}",
                  kMaxIoLevel, out->io_level);
  }
  if (process.oom_score_adj &&
      (*process.oom_score_adj < kMinOomScore || *process.oom_score_adj > kMaxOomScore))
    return Fail(Code::kInvalidArgument, "process.oomScoreAdj: must be {} to {}, is {}",
                kMinOomScore, kMaxOomScore, *process.oom_score_adj);
  out->oom_score_adj = process.oom_score_adj;
  if (!process.exec_cpu_affinity) return {};
  const oci::ExecCpuAffinity& cpus = *process.exec_cpu_affinity;
  if (!cpus.initial.empty())
    out->initial_cpus = TRY(ParseCpuList(cpus.initial, "process.execCPUAffinity.initial"));
  if (!cpus.final_mask.empty())
    out->final_cpus = TRY(ParseCpuList(cpus.final_mask, "process.execCPUAffinity.final"));
  return {};
}

// A label that nothing would enforce must not pass for one that is.
Status CheckLabels(const oci::Process& process) {
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined" &&
      ::access("/sys/kernel/security/apparmor", F_OK) != 0)
    return Fail(
        Code::kUnimplemented,
        "process.apparmorProfile: '{}' cannot be enforced: this kernel runs without AppArmor",
        process.apparmor_profile);
  if (!process.selinux_label.empty() && !os::HasSelinux())
    return Fail(Code::kUnimplemented,
                "process.selinuxLabel: '{}' cannot be enforced: this kernel runs without SELinux",
                process.selinux_label);
  return {};
}

}  // namespace

Result<cpu_set_t> ParseCpuList(std::string_view list, std::string_view field) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const auto invalid = [&] {
    return Fail(Code::kInvalidArgument, "{}: '{}' is no list of CPUs from 0 to {}, such as 0-3,7",
                field, list, CPU_SETSIZE - 1);
  };
  const char* at = list.data();
  const char* const end = at + list.size();
  const auto number = [&](int* out) {
    const auto [stop, error] = std::from_chars(at, end, *out);
    at = stop;
    return error == std::errc() && *out >= 0 && *out < CPU_SETSIZE;
  };
  for (;;) {
    int first = 0;
    if (!number(&first)) return invalid();
    int last = first;
    if (at != end && *at == '-') {
      ++at;
      if (!number(&last) || last < first) return invalid();
    }
    for (int cpu = first; cpu <= last; ++cpu) CPU_SET(cpu, &set);
    if (at == end) return set;
    if (*at++ != ',') return invalid();
  }
}

Result<Attributes> ParseAttributes(const oci::Process& process,
                                   const std::optional<oci::Personality>& personality) {
  Attributes out;
  for (size_t i = 0; i < process.rlimits.size(); ++i) {
    const oci::Rlimit& limit = process.rlimits[i];
    const int resource = TRY_AS(os::ParseLimitName(limit.type), "process.rlimits[{}].type", i);
    out.limits.push_back({resource, {.soft = limit.soft, .hard = limit.hard}});
  }
  TRY(ParsePriorities(process, &out));
  if (process.capabilities) out.capabilities = TRY(ParseCapabilities(*process.capabilities));
  if (personality) {
    out.personality = TRY(Find(kDomains, personality->domain, "linux.personality.domain"));
    // config-linux.md, "Personality": no flag is defined.
    if (!personality->flags.empty())
      return Fail(Code::kInvalidArgument,
                  "linux.personality.flags[0]: '{}' is unknown; there are none",
                  personality->flags[0]);
  }
  TRY(CheckLabels(process));
  out.apparmor_profile = process.apparmor_profile;
  out.selinux_label = process.selinux_label;
  out.umask = process.user.umask;
  out.uid = process.user.uid;
  out.gid = process.user.gid;
  out.groups = process.user.additional_gids;
  out.no_new_privileges = process.no_new_privileges;
  return out;
}

}  // namespace wasmoor::jail
