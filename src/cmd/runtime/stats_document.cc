#include "cmd/runtime/stats_document.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"

namespace wasmoor::cmd {
namespace {

uint64_t Sum(uint64_t a, uint64_t b) {
  return a > cgroup::kUnlimited - b ? cgroup::kUnlimited : a + b;
}

Json CpuDocument(const cgroup::CpuStats& cpu) {
  Json usage = {{"total", cpu.usage_ns}};
  if (!cpu.per_cpu_ns.empty()) usage["percpu"] = cpu.per_cpu_ns;
  usage["kernel"] = cpu.system_ns;
  usage["user"] = cpu.user_ns;
  return {{"usage", usage},
          {"throttling",
           {{"periods", cpu.periods},
            {"throttledPeriods", cpu.throttled_periods},
            {"throttledTime", cpu.throttled_ns}}}};
}

Json MemoryDocument(const cgroup::MemoryStats& memory) {
  Json document = {{"cache", memory.cache}};
  document["usage"] = {{"limit", memory.limit},
                       {"usage", memory.usage},
                       {"max", memory.max_usage},
                       {"failcnt", memory.failures}};
  document["swap"] = {{"limit", Sum(memory.limit, memory.swap_limit)},
                      {"usage", Sum(memory.usage, memory.swap_usage)},
                      {"failcnt", 0}};
  document["kernel"] = {
      {"limit", cgroup::kUnlimited}, {"usage", memory.kernel_usage}, {"failcnt", 0}};
  document["kernelTCP"] = {{"limit", cgroup::kUnlimited}, {"failcnt", 0}};
  if (!memory.raw.empty()) document["raw"] = memory.raw;
  return document;
}

Json BlockIoDocument(const std::vector<cgroup::BlockIoStats>& devices) {
  Json bytes = Json::array(), operations = Json::array();
  const auto add = [](Json& list, const cgroup::BlockIoStats& device, std::string_view operation,
                      uint64_t value) {
    list.push_back(
        {{"major", device.major}, {"minor", device.minor}, {"op", operation}, {"value", value}});
  };
  for (const cgroup::BlockIoStats& device : devices) {
    add(bytes, device, "Read", device.read_bytes);
    add(bytes, device, "Write", device.write_bytes);
    add(bytes, device, "Discard", device.discard_bytes);
    add(operations, device, "Read", device.reads);
    add(operations, device, "Write", device.writes);
    add(operations, device, "Discard", device.discards);
  }
  if (devices.empty()) return Json::object();
  return {{"ioServiceBytesRecursive", bytes}, {"ioServicedRecursive", operations}};
}

Json PressureDocument(const cgroup::PressureStats& pressure) {
  const auto line = [](const cgroup::PressureStats::Line& one) {
    constexpr uint64_t kNanosecondsInMicrosecond = 1000;
    return Json{{"avg10", one.avg10},
                {"avg60", one.avg60},
                {"avg300", one.avg300},
                {"total", one.total_ns / kNanosecondsInMicrosecond}};
  };
  return {{"some", line(pressure.some)}, {"full", line(pressure.full)}};
}

// Pressure is a part of what it presses on.
void AddPressure(const cgroup::Stats& stats, const std::string& name, Json* part) {
  const auto it = stats.pressure.find(name);
  if (it != stats.pressure.end()) (*part)["psi"] = PressureDocument(it->second);
}

}  // namespace

std::string StatsEvent(std::string_view id, const cgroup::Stats& stats) {
  Json data;
  data["cpu"] = CpuDocument(stats.cpu.value_or(cgroup::CpuStats()));
  AddPressure(stats, "cpu", &data["cpu"]);
  data["memory"] = MemoryDocument(stats.memory.value_or(cgroup::MemoryStats()));
  AddPressure(stats, "memory", &data["memory"]);
  const cgroup::PidsStats pids = stats.pids.value_or(cgroup::PidsStats());
  data["pids"] = {{"current", pids.current},
                  {"limit", pids.limit == cgroup::kUnlimited ? 0 : pids.limit}};
  data["blkio"] = BlockIoDocument(stats.block_io);
  AddPressure(stats, "io", &data["blkio"]);
  data["hugetlb"] = Json::object();
  for (const auto& [size, pages] : stats.hugetlb) {
    data["hugetlb"][size] = {
        {"usage", pages.usage}, {"max", pages.max_usage}, {"failcnt", pages.failures}};
  }
  data["intel_rdt"] = Json::object();
  if (!stats.rdma.empty()) {
    for (const auto& [device, used] : stats.rdma) {
      data["rdma"]["current"].push_back(
          {{"device", device}, {"hcaHandles", used.hca_handles}, {"hcaObjects", used.hca_objects}});
    }
  }
  data["network_interfaces"] = nullptr;
  return JsonLine({{"type", "stats"}, {"id", id}, {"data", data}});
}

std::string OomEvent(std::string_view id) { return JsonLine({{"type", "oom"}, {"id", id}}); }

}  // namespace wasmoor::cmd
