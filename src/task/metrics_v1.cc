#include <algorithm>

#include "proto/containerd/cgroups_v1.pb.h"
#include "task/metrics_parts.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

namespace v1 = io::containerd::cgroups::v1;

// What v1's files say where there is no limit: the most pages that the kernel counts, in bytes
// (PAGE_COUNTER_MAX).
constexpr uint64_t kNoLimit = 0x7ffffffffffff000;

uint64_t LimitOf(uint64_t limit) { return std::min(limit, kNoLimit); }

void SetCpu(const cgroup::CpuStats& from, v1::CPUStat* to) {
  v1::CPUUsage* usage = to->mutable_usage();
  usage->set_total(from.usage_ns);
  usage->set_kernel(from.system_ns);
  usage->set_user(from.user_ns);
  for (const uint64_t one : from.per_cpu_ns) usage->add_per_cpu(one);
  v1::Throttle* throttling = to->mutable_throttling();
  throttling->set_periods(from.periods);
  throttling->set_throttled_periods(from.throttled_periods);
  throttling->set_throttled_time(from.throttled_ns);
}

using Setter = void (v1::MemoryStat::*)(uint64_t);
struct Field {
  const char* name;  // In memory.stat.
  Setter set;
};
constexpr Field kMemoryFields[] = {
    {"cache", &v1::MemoryStat::set_cache},
    {"rss", &v1::MemoryStat::set_rss},
    {"rss_huge", &v1::MemoryStat::set_rss_huge},
    {"mapped_file", &v1::MemoryStat::set_mapped_file},
    {"dirty", &v1::MemoryStat::set_dirty},
    {"writeback", &v1::MemoryStat::set_writeback},
    {"pgpgin", &v1::MemoryStat::set_pg_pg_in},
    {"pgpgout", &v1::MemoryStat::set_pg_pg_out},
    {"pgfault", &v1::MemoryStat::set_pg_fault},
    {"pgmajfault", &v1::MemoryStat::set_pg_maj_fault},
    {"inactive_anon", &v1::MemoryStat::set_inactive_anon},
    {"active_anon", &v1::MemoryStat::set_active_anon},
    {"inactive_file", &v1::MemoryStat::set_inactive_file},
    {"active_file", &v1::MemoryStat::set_active_file},
    {"unevictable", &v1::MemoryStat::set_unevictable},
    {"hierarchical_memory_limit", &v1::MemoryStat::set_hierarchical_memory_limit},
    {"hierarchical_memsw_limit", &v1::MemoryStat::set_hierarchical_swap_limit},
    {"total_cache", &v1::MemoryStat::set_total_cache},
    {"total_rss", &v1::MemoryStat::set_total_rss},
    {"total_rss_huge", &v1::MemoryStat::set_total_rss_huge},
    {"total_mapped_file", &v1::MemoryStat::set_total_mapped_file},
    {"total_dirty", &v1::MemoryStat::set_total_dirty},
    {"total_writeback", &v1::MemoryStat::set_total_writeback},
    {"total_pgpgin", &v1::MemoryStat::set_total_pg_pg_in},
    {"total_pgpgout", &v1::MemoryStat::set_total_pg_pg_out},
    {"total_pgfault", &v1::MemoryStat::set_total_pg_fault},
    {"total_pgmajfault", &v1::MemoryStat::set_total_pg_maj_fault},
    {"total_inactive_anon", &v1::MemoryStat::set_total_inactive_anon},
    {"total_active_anon", &v1::MemoryStat::set_total_active_anon},
    {"total_inactive_file", &v1::MemoryStat::set_total_inactive_file},
    {"total_active_file", &v1::MemoryStat::set_total_active_file},
    {"total_unevictable", &v1::MemoryStat::set_total_unevictable},
};

// v1 counts memory and swap together; Stats has swap alone.
uint64_t Together(uint64_t memory, uint64_t swap) {
  return memory > cgroup::kUnlimited - swap ? cgroup::kUnlimited : memory + swap;
}

void SetMemory(const cgroup::MemoryStats& from, v1::MemoryStat* to) {
  for (const Field& field : kMemoryFields) {
    if (const auto found = from.raw.find(field.name); found != from.raw.end())
      (to->*field.set)(LimitOf(found->second));  // Two of them are limits.
  }
  v1::MemoryEntry* usage = to->mutable_usage();
  usage->set_usage(from.usage);
  usage->set_limit(LimitOf(from.limit));
  usage->set_max(from.max_usage);
  usage->set_failcnt(from.failures);
  v1::MemoryEntry* swap = to->mutable_swap();
  swap->set_usage(Together(from.usage, from.swap_usage));
  swap->set_limit(LimitOf(Together(from.limit, from.swap_limit)));
  // The kernel has limits of these no more.
  to->mutable_kernel()->set_usage(from.kernel_usage);
  to->mutable_kernel()->set_limit(kNoLimit);
  to->mutable_kernel_tcp()->set_limit(kNoLimit);
}

void AddBlockIo(const cgroup::BlockIoStats& from, v1::BlkIOStat* to) {
  const auto add = [&](v1::BlkIOEntry* entry, const char* operation, uint64_t value) {
    entry->set_op(operation);
    entry->set_major(from.major);
    entry->set_minor(from.minor);
    entry->set_value(value);
  };
  add(to->add_io_service_bytes_recursive(), "Read", from.read_bytes);
  add(to->add_io_service_bytes_recursive(), "Write", from.write_bytes);
  add(to->add_io_service_bytes_recursive(), "Discard", from.discard_bytes);
  add(to->add_io_serviced_recursive(), "Read", from.reads);
  add(to->add_io_serviced_recursive(), "Write", from.writes);
  add(to->add_io_serviced_recursive(), "Discard", from.discards);
}

}  // namespace

google::protobuf::Any PackMetricsV1(const cgroup::Stats& stats) {
  v1::Metrics metrics;
  if (stats.cpu) SetCpu(*stats.cpu, metrics.mutable_cpu());
  if (stats.memory) {
    SetMemory(*stats.memory, metrics.mutable_memory());
    metrics.mutable_memory_oom_control()->set_oom_kill(stats.memory->oom_kills);
  }
  if (stats.pids) {
    metrics.mutable_pids()->set_current(stats.pids->current);
    // Where there is no limit, it is 0 here and the highest number in v2's.
    if (stats.pids->limit != cgroup::kUnlimited)
      metrics.mutable_pids()->set_limit(stats.pids->limit);
  }
  for (const cgroup::BlockIoStats& one : stats.block_io) AddBlockIo(one, metrics.mutable_blkio());
  for (const auto& [size, one] : stats.hugetlb) {
    v1::HugetlbStat* entry = metrics.add_hugetlb();
    entry->set_pagesize(size);
    entry->set_usage(one.usage);
    entry->set_max(one.max_usage);
    entry->set_failcnt(one.failures);
  }
  for (const auto& [device, one] : stats.rdma) {
    v1::RdmaEntry* entry = metrics.mutable_rdma()->add_current();
    entry->set_device(device);
    entry->set_hca_handles(static_cast<uint32_t>(one.hca_handles));
    entry->set_hca_objects(static_cast<uint32_t>(one.hca_objects));
  }
  google::protobuf::Any any;
  ttrpc::Pack(metrics, &any);
  return any;
}

}  // namespace wasmoor::task
