#include "wasmoor/cgroup/stats.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cgroup/control_file.h"
#include "cgroup/stats_reader.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

constexpr uint64_t kMicrosecond = 1000;

void AddCpuTimeV1(const os::Fd& group, CpuStats* cpu) {
  cpu->usage_ns = ReadNumberOr(group, "cpuacct.usage", 0);
  cpu->user_ns = ReadNumberOr(group, "cpuacct.usage_user", 0);
  cpu->system_ns = ReadNumberOr(group, "cpuacct.usage_sys", 0);
  const std::string each = ReadControlOrNothing(group, "cpuacct.usage_percpu");
  std::string_view rest = std::string_view(each).substr(0, each.find('\n'));
  while (!rest.empty()) {
    if (const std::string_view one = TakeUntil(&rest, ' '); !one.empty())
      cpu->per_cpu_ns.push_back(ToNumber(one));
  }
}

CpuStats ReadCpu(const Branch& branch) {
  CpuStats cpu;
  const std::string text = ReadControlOrNothing(branch.directory, "cpu.stat");
  cpu.periods = NumberOf(text, "nr_periods");
  cpu.throttled_periods = NumberOf(text, "nr_throttled");
  if (branch.v2()) {
    cpu.usage_ns = NumberOf(text, "usage_usec") * kMicrosecond;
    cpu.user_ns = NumberOf(text, "user_usec") * kMicrosecond;
    cpu.system_ns = NumberOf(text, "system_usec") * kMicrosecond;
    cpu.throttled_ns = NumberOf(text, "throttled_usec") * kMicrosecond;
  } else {
    cpu.throttled_ns = NumberOf(text, "throttled_time");
  }
  return cpu;
}

// What is left of memory and swap together once memory is taken off.
uint64_t SwapAlone(uint64_t together, uint64_t memory) {
  if (together == kUnlimited) return kUnlimited;
  return together > memory ? together - memory : 0;
}

// v1 counts a group with those nested in it under names that begin with total_.
void ReadMemoryV1(const os::Fd& group, MemoryStats* memory) {
  memory->usage = ReadNumberOr(group, "memory.usage_in_bytes", 0);
  memory->limit = ReadNumberOr(group, "memory.limit_in_bytes", kUnlimited);
  memory->max_usage = ReadNumberOr(group, "memory.max_usage_in_bytes", 0);
  memory->failures = ReadNumberOr(group, "memory.failcnt", 0);
  memory->kernel_usage = ReadNumberOr(group, "memory.kmem.usage_in_bytes", 0);
  memory->swap_usage =
      SwapAlone(ReadNumberOr(group, "memory.memsw.usage_in_bytes", 0), memory->usage);
  memory->swap_limit =
      SwapAlone(ReadNumberOr(group, "memory.memsw.limit_in_bytes", kUnlimited), memory->limit);
  memory->oom_kills = NumberOf(ReadControlOrNothing(group, "memory.oom_control"), "oom_kill");
  memory->cache = memory->raw["total_cache"];
  memory->rss = memory->raw["total_rss"];
  memory->mapped_file = memory->raw["total_mapped_file"];
  memory->inactive_file = memory->raw["total_inactive_file"];
}

void ReadMemoryV2(const os::Fd& group, MemoryStats* memory) {
  memory->usage = ReadNumberOr(group, "memory.current", 0);
  memory->limit = ReadNumberOr(group, "memory.max", kUnlimited);
  memory->max_usage = ReadNumberOr(group, "memory.peak", 0);
  memory->swap_usage = ReadNumberOr(group, "memory.swap.current", 0);
  memory->swap_limit = ReadNumberOr(group, "memory.swap.max", kUnlimited);
  const std::string events = ReadControlOrNothing(group, "memory.events");
  memory->failures = NumberOf(events, "max");
  memory->oom_kills = NumberOf(events, "oom_kill");
  memory->kernel_usage = memory->raw["kernel"];
  memory->cache = memory->raw["file"];
  memory->rss = memory->raw["anon"];
  memory->mapped_file = memory->raw["file_mapped"];
  memory->inactive_file = memory->raw["inactive_file"];
}

MemoryStats ReadMemory(const Branch& branch) {
  MemoryStats memory;
  EachLine(ReadControlOrNothing(branch.directory, "memory.stat"),
           [&](std::string_view key, std::string_view value) {
             memory.raw[std::string(key)] = ToNumber(value);
           });
  if (branch.v2()) {
    ReadMemoryV2(branch.directory, &memory);
  } else {
    ReadMemoryV1(branch.directory, &memory);
  }
  return memory;
}

PidsStats ReadPids(const Branch& branch) {
  PidsStats pids;
  pids.current = ReadNumberOr(branch.directory, "pids.current", 0);
  pids.limit = ReadNumberOr(branch.directory, "pids.max", kUnlimited);
  return pids;
}

// The entry of a device given as "8:0"; nullptr for a line of another kind ("Total 0").
BlockIoStats* EntryOf(std::string_view device, std::vector<BlockIoStats>* all) {
  if (device.find(':') == std::string_view::npos) return nullptr;
  const uint64_t major = ToNumber(TakeUntil(&device, ':')), minor = ToNumber(device);
  for (BlockIoStats& one : *all) {
    if (one.major == major && one.minor == minor) return &one;
  }
  all->push_back({major, minor});
  return &all->back();
}

// Lines "8:0 Read 4096".
void AddBlockIoV1(const std::string& text, bool is_bytes, std::vector<BlockIoStats>* all) {
  EachLine(text, [&](std::string_view device, std::string_view rest) {
    BlockIoStats* one = EntryOf(device, all);
    if (one == nullptr) return;
    const std::string_view what = TakeUntil(&rest, ' ');
    const uint64_t number = ToNumber(rest);
    if (what == "Read") (is_bytes ? one->read_bytes : one->reads) = number;
    if (what == "Write") (is_bytes ? one->write_bytes : one->writes) = number;
    if (what == "Discard") (is_bytes ? one->discard_bytes : one->discards) = number;
  });
}

// Lines "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0".
void AddBlockIoV2(const std::string& text, std::vector<BlockIoStats>* all) {
  EachLine(text, [&](std::string_view device, std::string_view rest) {
    BlockIoStats* one = EntryOf(device, all);
    if (one == nullptr) return;
    while (!rest.empty()) {
      std::string_view value = TakeUntil(&rest, ' ');
      const std::string_view key = TakeUntil(&value, '=');
      const uint64_t number = ToNumber(value);
      if (key == "rbytes") one->read_bytes = number;
      if (key == "wbytes") one->write_bytes = number;
      if (key == "dbytes") one->discard_bytes = number;
      if (key == "rios") one->reads = number;
      if (key == "wios") one->writes = number;
      if (key == "dios") one->discards = number;
    }
  });
}

std::vector<BlockIoStats> ReadBlockIo(const Branch& branch) {
  std::vector<BlockIoStats> all;
  const os::Fd& group = branch.directory;
  if (branch.v2()) {
    AddBlockIoV2(ReadControlOrNothing(group, "io.stat"), &all);
    return all;
  }
  AddBlockIoV1(ReadControlOrNothing(group, "blkio.throttle.io_service_bytes_recursive"), true,
               &all);
  AddBlockIoV1(ReadControlOrNothing(group, "blkio.throttle.io_serviced_recursive"), false, &all);
  return all;
}

std::map<std::string, HugetlbStats> ReadHugetlb(const Branch& branch) {
  std::map<std::string, HugetlbStats> sizes;
  const os::Fd& group = branch.directory;
  const std::string_view usage = branch.v2() ? ".current" : ".usage_in_bytes";
  constexpr std::string_view kPrefix = "hugetlb.";
  for (const std::string& name : os::ReadNames(group).value_or(std::vector<std::string>())) {
    if (!name.starts_with(kPrefix) || !name.ends_with(usage)) continue;
    const std::string size =
        name.substr(kPrefix.size(), name.size() - kPrefix.size() - usage.size());
    if (size.find('.') != std::string::npos) continue;  // "2MB.rsvd"
    const std::string start = "hugetlb." + size;
    HugetlbStats& one = sizes[size];
    one.usage = ReadNumberOr(group, name, 0);
    one.max_usage = ReadNumberOr(group, start + ".max_usage_in_bytes", 0);
    one.failures = branch.v2() ? NumberOf(ReadControlOrNothing(group, start + ".events"), "max")
                               : ReadNumberOr(group, start + ".failcnt", 0);
  }
  return sizes;
}

// Lines "mlx4_0 hca_handle=2 hca_object=2000".
std::map<std::string, RdmaStats> ReadRdma(const Branch& branch) {
  std::map<std::string, RdmaStats> devices;
  EachLine(ReadControlOrNothing(branch.directory, "rdma.current"),
           [&](std::string_view device, std::string_view rest) {
             RdmaStats& one = devices[std::string(device)];
             while (!rest.empty()) {
               std::string_view value = TakeUntil(&rest, ' ');
               const std::string_view key = TakeUntil(&value, '=');
               if (key == "hca_handle") one.hca_handles = ToNumber(value);
               if (key == "hca_object") one.hca_objects = ToNumber(value);
             }
           });
  return devices;
}

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and the same of "full".
PressureStats ParsePressure(const std::string& text) {
  PressureStats pressure;
  EachLine(text, [&](std::string_view kind, std::string_view rest) {
    PressureStats::Line& line = kind == "some" ? pressure.some : pressure.full;
    while (!rest.empty()) {
      std::string_view value = TakeUntil(&rest, ' ');
      const std::string_view key = TakeUntil(&value, '=');
      if (key == "total") line.total_ns = ToNumber(value) * kMicrosecond;
      double* average = key == "avg10"    ? &line.avg10
                        : key == "avg60"  ? &line.avg60
                        : key == "avg300" ? &line.avg300
                                          : nullptr;
      if (average != nullptr) *average = strtod(std::string(value).c_str(), nullptr);
    }
  });
  return pressure;
}

}  // namespace

Stats ReadTreeStats(const Tree& tree) {
  Stats stats;
  if (const Branch* cpu = tree.Find("cpu")) stats.cpu = ReadCpu(*cpu);
  if (const Branch* time = tree.Find("cpuacct"); time != nullptr && !time->v2()) {
    if (!stats.cpu) stats.cpu.emplace();
    AddCpuTimeV1(time->directory, &*stats.cpu);
  }
  if (const Branch* memory = tree.Find("memory")) stats.memory = ReadMemory(*memory);
  if (const Branch* pids = tree.Find("pids")) stats.pids = ReadPids(*pids);
  const Branch* io = tree.Find("blkio");
  if (io == nullptr) io = tree.Find("io");
  if (io != nullptr) stats.block_io = ReadBlockIo(*io);
  if (const Branch* hugetlb = tree.Find("hugetlb")) stats.hugetlb = ReadHugetlb(*hugetlb);
  if (const Branch* rdma = tree.Find("rdma")) stats.rdma = ReadRdma(*rdma);
  for (const char* resource : {"cpu", "memory", "io"}) {
    const Branch* branch = tree.Find(resource);
    if (branch == nullptr || !branch->v2()) continue;
    const std::string text =
        ReadControlOrNothing(branch->directory, std::string(resource) + ".pressure");
    if (!text.empty()) stats.pressure[resource] = ParsePressure(text);
  }
  return stats;
}

}  // namespace wasmoor::cgroup
