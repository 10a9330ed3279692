#include "proto/containerd/cgroups_v2.pb.h"
#include "task/metrics_parts.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

namespace v2 = io::containerd::cgroups::v2;

constexpr uint64_t kNanosecondsInMicrosecond = 1000;

void SetLine(const cgroup::PressureStats::Line& from, v2::PSIData* to) {
  to->set_avg10(from.avg10);
  to->set_avg60(from.avg60);
  to->set_avg300(from.avg300);
  to->set_total(from.total_ns / kNanosecondsInMicrosecond);
}

// Pressure is a part of what it presses on, in a `part` that is there.
template <typename Part>
void SetPressure(const cgroup::Stats& stats, const char* resource, Part* part) {
  const auto found = stats.pressure.find(resource);
  if (found == stats.pressure.end()) return;
  SetLine(found->second.some, part->mutable_psi()->mutable_some());
  SetLine(found->second.full, part->mutable_psi()->mutable_full());
}

void SetCpu(const cgroup::CpuStats& from, v2::CPUStat* to) {
  to->set_usage_usec(from.usage_ns / kNanosecondsInMicrosecond);
  to->set_user_usec(from.user_ns / kNanosecondsInMicrosecond);
  to->set_system_usec(from.system_ns / kNanosecondsInMicrosecond);
  to->set_nr_periods(from.periods);
  to->set_nr_throttled(from.throttled_periods);
  to->set_throttled_usec(from.throttled_ns / kNanosecondsInMicrosecond);
}

using Setter = void (v2::MemoryStat::*)(uint64_t);
struct Field {
  const char* name;  // In memory.stat.
  Setter set;
};
constexpr Field kMemoryFields[] = {
    {"anon", &v2::MemoryStat::set_anon},
    {"file", &v2::MemoryStat::set_file},
    {"kernel_stack", &v2::MemoryStat::set_kernel_stack},
    {"slab", &v2::MemoryStat::set_slab},
    {"sock", &v2::MemoryStat::set_sock},
    {"shmem", &v2::MemoryStat::set_shmem},
    {"file_mapped", &v2::MemoryStat::set_file_mapped},
    {"file_dirty", &v2::MemoryStat::set_file_dirty},
    {"file_writeback", &v2::MemoryStat::set_file_writeback},
    {"anon_thp", &v2::MemoryStat::set_anon_thp},
    {"inactive_anon", &v2::MemoryStat::set_inactive_anon},
    {"active_anon", &v2::MemoryStat::set_active_anon},
    {"inactive_file", &v2::MemoryStat::set_inactive_file},
    {"active_file", &v2::MemoryStat::set_active_file},
    {"unevictable", &v2::MemoryStat::set_unevictable},
    {"slab_reclaimable", &v2::MemoryStat::set_slab_reclaimable},
    {"slab_unreclaimable", &v2::MemoryStat::set_slab_unreclaimable},
    {"pgfault", &v2::MemoryStat::set_pgfault},
    {"pgmajfault", &v2::MemoryStat::set_pgmajfault},
    {"workingset_refault", &v2::MemoryStat::set_workingset_refault},
    {"workingset_activate", &v2::MemoryStat::set_workingset_activate},
    {"workingset_nodereclaim", &v2::MemoryStat::set_workingset_nodereclaim},
    {"pgrefill", &v2::MemoryStat::set_pgrefill},
    {"pgscan", &v2::MemoryStat::set_pgscan},
    {"pgsteal", &v2::MemoryStat::set_pgsteal},
    {"pgactivate", &v2::MemoryStat::set_pgactivate},
    {"pgdeactivate", &v2::MemoryStat::set_pgdeactivate},
    {"pglazyfree", &v2::MemoryStat::set_pglazyfree},
    {"pglazyfreed", &v2::MemoryStat::set_pglazyfreed},
    {"thp_fault_alloc", &v2::MemoryStat::set_thp_fault_alloc},
    {"thp_collapse_alloc", &v2::MemoryStat::set_thp_collapse_alloc},
};

void SetMemory(const cgroup::MemoryStats& from, v2::MemoryStat* to) {
  for (const Field& field : kMemoryFields) {
    if (const auto found = from.raw.find(field.name); found != from.raw.end())
      (to->*field.set)(found->second);
  }
  to->set_usage(from.usage);
  to->set_usage_limit(from.limit);
  to->set_max_usage(from.max_usage);
  to->set_swap_usage(from.swap_usage);
  to->set_swap_limit(from.swap_limit);
}

void AddBlockIo(const cgroup::BlockIoStats& from, v2::IOEntry* to) {
  to->set_major(from.major);
  to->set_minor(from.minor);
  to->set_rbytes(from.read_bytes);
  to->set_wbytes(from.write_bytes);
  to->set_rios(from.reads);
  to->set_wios(from.writes);
}

}  // namespace

google::protobuf::Any PackMetricsV2(const cgroup::Stats& stats) {
  v2::Metrics metrics;
  if (stats.cpu) {
    SetCpu(*stats.cpu, metrics.mutable_cpu());
    SetPressure(stats, "cpu", metrics.mutable_cpu());
  }
  if (stats.memory) {
    SetMemory(*stats.memory, metrics.mutable_memory());
    SetPressure(stats, "memory", metrics.mutable_memory());
    metrics.mutable_memory_events()->set_max(stats.memory->failures);
    metrics.mutable_memory_events()->set_oom_kill(stats.memory->oom_kills);
  }
  if (stats.pids) {
    metrics.mutable_pids()->set_current(stats.pids->current);
    metrics.mutable_pids()->set_limit(stats.pids->limit);
  }
  for (const cgroup::BlockIoStats& one : stats.block_io)
    AddBlockIo(one, metrics.mutable_io()->add_usage());
  if (!stats.block_io.empty()) SetPressure(stats, "io", metrics.mutable_io());
  for (const auto& [size, one] : stats.hugetlb) {
    v2::HugeTlbStat* entry = metrics.add_hugetlb();
    entry->set_pagesize(size);
    entry->set_current(one.usage);
    entry->set_failcnt(one.failures);
  }
  for (const auto& [device, one] : stats.rdma) {
    v2::RdmaEntry* entry = metrics.mutable_rdma()->add_current();
    entry->set_device(device);
    entry->set_hca_handles(static_cast<uint32_t>(one.hca_handles));
    entry->set_hca_objects(static_cast<uint32_t>(one.hca_objects));
  }
  google::protobuf::Any any;
  ttrpc::Pack(metrics, &any);
  return any;
}

}  // namespace wasmoor::task
