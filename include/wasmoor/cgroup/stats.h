#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

// What a control group has used, in the same units on v1 and v2: time in nanoseconds, memory in
// bytes.
namespace wasmoor::cgroup {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

struct CpuStats {
  uint64_t usage_ns = 0, user_ns = 0, system_ns = 0;
  // Of the bandwidth limit: periods that ran, those in which it was reached, time lost by it.
  uint64_t periods = 0, throttled_periods = 0, throttled_ns = 0;
  std::vector<uint64_t> per_cpu_ns;  // Empty on v2, which does not count it.
};

// 0 where the kernel does not tell. A limit is kUnlimited where there is none.
struct MemoryStats {
  uint64_t usage = 0, limit = kUnlimited, max_usage = 0;
  uint64_t failures = 0;  // How often the limit was met.
  uint64_t cache = 0, rss = 0, mapped_file = 0, inactive_file = 0, kernel_usage = 0;
  // Of swap alone, also on v1, where the kernel counts memory and swap together.
  uint64_t swap_usage = 0, swap_limit = kUnlimited;
  uint64_t oom_kills = 0;
  std::map<std::string, uint64_t> raw;  // memory.stat, by the kernel's own names.
};

struct PidsStats {
  uint64_t current = 0, limit = kUnlimited;
};

struct BlockIoStats {
  uint64_t major = 0, minor = 0;
  uint64_t read_bytes = 0, write_bytes = 0, discard_bytes = 0;
  uint64_t reads = 0, writes = 0, discards = 0;
};

struct HugetlbStats {
  uint64_t usage = 0, max_usage = 0, failures = 0;  // max_usage: v1 only.
};

struct RdmaStats {
  uint64_t hca_handles = 0, hca_objects = 0;
};

// Pressure stall information: shares of wall time in percent, and a total.
struct PressureStats {
  struct Line {
    double avg10 = 0, avg60 = 0, avg300 = 0;
    uint64_t total_ns = 0;
  };
  Line some, full;
};

// A part is empty where the group is in no hierarchy that has the controller.
struct Stats {
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<PidsStats> pids;
  std::vector<BlockIoStats> block_io;
  std::map<std::string, HugetlbStats> hugetlb;    // By page size: "2MB".
  std::map<std::string, RdmaStats> rdma;          // By device.
  std::map<std::string, PressureStats> pressure;  // "cpu", "memory", "io"; v2 only.
};

}  // namespace wasmoor::cgroup
