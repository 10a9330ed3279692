#include "host/cpu_share.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>

#include "wasmoor/cgroup/threads.h"

namespace wasmoor::host {
namespace {

using std::chrono::nanoseconds;

// What is not used of a quota is kept for so long.
constexpr nanoseconds kBurst = std::chrono::milliseconds(100);
constexpr uint64_t kUsualPeriod = 100'000;  // Microseconds (sched-bwc).
constexpr uint64_t kLeast = 1'000, kMostPeriod = 1'000'000;
constexpr uint64_t kMostQuota = 1'000'000'000;  // A thousand CPUs of the longest period.
constexpr uint64_t kUsualShares = 1024;

bool WantsSomething(const oci::Linux& config) {
  if (!config.resources || !config.resources->cpu) return false;
  const oci::CpuResources& cpu = *config.resources->cpu;
  return cpu.quota.value_or(0) > 0 || cpu.shares.value_or(0) > 0 || !cpu.cpus.empty() ||
         !cpu.mems.empty();
}

// The share of a CPU that a quota is; 0: no limit.
double RateOf(const oci::CpuResources& cpu) {
  const int64_t quota = cpu.quota.value_or(0);
  if (quota <= 0) return 0;
  // What the kernel takes for either, so that no sum overflows.
  const uint64_t period = std::clamp(cpu.period.value_or(kUsualPeriod), kLeast, kMostPeriod);
  return static_cast<double>(std::clamp(static_cast<uint64_t>(quota), kLeast, kMostQuota)) /
         static_cast<double>(period);
}

// Each step of nice values is a quarter of the weight (sched(7)).
int NiceOf(uint64_t shares) {
  constexpr double kStep = 1.25;
  constexpr int kLeast = -20, kMost = 19;
  const double ratio = static_cast<double>(kUsualShares) / static_cast<double>(shares);
  return std::clamp(static_cast<int>(std::lround(std::log(ratio) / std::log(kStep))), kLeast,
                    kMost);
}

}  // namespace

Result<std::shared_ptr<CpuShare>> CpuShare::Make(const cgroup::Root* root,
                                                 const oci::Linux& config) {
  if (!WantsSomething(config)) return nullptr;
  std::shared_ptr<CpuShare> share(new CpuShare());
  share->cpu_ = *config.resources->cpu;
  share->since_ = Clock::now();
  if (root == nullptr || root->hierarchies().empty()) return share;
  auto made = cgroup::CreateThreadGroup(*root, config.cgroups_path);
  // Read-only, or of somebody else: then it is done by the clock.
  if (!made) return share;
  share->group_ = made->ToText();
  share->in_containers_group_ = root->layout() != cgroup::Layout::kV2;
  oci::Resources resources;
  resources.cpu = share->cpu_;
  TRY(made->Apply(resources));
  return share;
}

CpuShare::~CpuShare() {
  if (group_.empty()) return;
  if (auto group = cgroup::Group::Open(group_)) static_cast<void>(group->Remove());
}

Result<std::optional<cgroup::Entry>> CpuShare::OpenEntry() const {
  if (group_.empty()) return std::nullopt;
  return TRY(cgroup::Entry::OpenForThreads(TRY(cgroup::Group::Open(group_))));
}

Status CpuShare::Enter(const std::optional<cgroup::Entry>& entry) const {
  if (entry) return entry->Enter();
  const std::lock_guard lock(mutex_);
  if (cpu_.shares && *cpu_.shares > 0 &&
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), NiceOf(*cpu_.shares)) != 0)
    return FailErrno(errno, "linux.resources.cpu.shares: {}", *cpu_.shares);
  return {};
}

Status CpuShare::Change(const oci::CpuResources& cpu) {
  const std::lock_guard lock(mutex_);
  if (cpu.quota) cpu_.quota = cpu.quota;
  if (cpu.period) cpu_.period = cpu.period;
  if (cpu.shares) cpu_.shares = cpu.shares;
  if (group_.empty()) return {};
  oci::Resources resources;
  resources.cpu = cpu;
  return TRY(cgroup::Group::Open(group_)).Apply(resources);
}

nanoseconds CpuShare::Owed(nanoseconds run) {
  const std::lock_guard lock(mutex_);
  const double rate = RateOf(cpu_);
  if (!group_.empty() || rate <= 0) return {};
  const auto now = Clock::now();
  run_ += run;
  const auto due = std::chrono::duration_cast<nanoseconds>((now - since_) * rate);
  if (run_ <= due) {
    // What was not used is not kept for ever.
    if (due - run_ > kBurst) {
      since_ = now;
      run_ = -kBurst;
    }
    return {};
  }
  const auto owed = std::chrono::duration_cast<nanoseconds>((run_ - due) / rate);
  ++throttling_.times;
  throttling_.slept += owed;
  return owed;
}

CpuShare::Throttling CpuShare::throttling() const {
  const std::lock_guard lock(mutex_);
  if (group_.empty()) return throttling_;
  const auto group = cgroup::Group::Open(group_);
  const auto stats = group ? group->ReadStats() : tl::unexpected(group.error());
  if (!stats || !stats->cpu) return {};
  return {.times = stats->cpu->throttled_periods, .slept = nanoseconds(stats->cpu->throttled_ns)};
}

}  // namespace wasmoor::host
