#include "cmd/runtime/update_flags.h"

#include <optional>

#include "cmd/runtime/numbers.h"
#include "wasmoor/base/units.h"

namespace wasmoor::cmd {
namespace {

// Bytes, with a unit or without; -1: unlimited.
Result<int64_t> ParseLimit(std::string_view option, std::string_view text) {
  if (text == "-1") return -1;
  return static_cast<int64_t>(TRY_AS(ParseSize(text), "{}", option));
}

Status SetLimit(std::string_view option, std::string_view text, std::optional<int64_t>* limit) {
  if (!text.empty()) *limit = TRY(ParseLimit(option, text));
  return {};
}

template <typename Integer>
Status SetInteger(std::string_view option, std::string_view text, std::optional<Integer>* value) {
  if (!text.empty()) *value = TRY(ParseInteger<Integer>(option, text));
  return {};
}

}  // namespace

void UpdateFlags::Configure(Options& options) {
  options.Section("Limits");
  options.Value("--memory", memory_, "SIZE", "Memory; -1 for no limit");
  options.Value("--memory-reservation", memory_reservation_, "SIZE",
                "Memory that is taken from others first when it is short");
  options.Value("--memory-swap", memory_swap_, "SIZE", "Memory and swap together; -1 for no limit");
  options.Value("--kernel-memory", kernel_memory_, "SIZE", "Memory of the kernel, on v1").Hide();
  options.Value("--kernel-memory-tcp", kernel_memory_tcp_, "SIZE", "Memory of its TCP, on v1")
      .Hide();
  options.Value("--cpu-quota", cpu_quota_, "MICROSECONDS",
                "Processor time in each period; -1 for no limit");
  options.Value("--cpu-period", cpu_period_, "MICROSECONDS", "How long a period is");
  options.Value("--cpu-burst", cpu_burst_, "MICROSECONDS",
                "What may be saved up of the quota for a later period");
  options.Value("--cpu-share", cpu_shares_, "SHARES", "Weight against other containers");
  options.Value("--cpu-idle", cpu_idle_, "0|1", "1: run only when nobody else wants to");
  options.Value("--cpu-rt-period", cpu_realtime_period_, "MICROSECONDS",
                "How long a period of real-time processes is");
  options.Value("--cpu-rt-runtime", cpu_realtime_runtime_, "MICROSECONDS",
                "Their time in each of them");
  options.Value("--cpuset-cpus", cpus_, "LIST", "Processors to run on: 0-2,5");
  options.Value("--cpuset-mems", mems_, "LIST", "Memory nodes to use");
  options.Value("--pids-limit", pids_, "N", "Processes and threads; -1 for no limit");
  options.Value("--blkio-weight", block_io_weight_, "N", "Weight of its disk access, 10 to 1000");
  options.Value("--l3-cache-schema", l3_cache_, "TEXT", "Not supported").Hide();
  options.Value("--mem-bw-schema", memory_bandwidth_, "TEXT", "Not supported").Hide();
}

Status UpdateFlags::ReadMemory(oci::Resources* resources) const {
  oci::MemoryResources memory;
  TRY(SetLimit("--memory", memory_, &memory.limit));
  TRY(SetLimit("--memory-reservation", memory_reservation_, &memory.reservation));
  TRY(SetLimit("--memory-swap", memory_swap_, &memory.swap));
  TRY(SetLimit("--kernel-memory", kernel_memory_, &memory.kernel));
  TRY(SetLimit("--kernel-memory-tcp", kernel_memory_tcp_, &memory.kernel_tcp));
  if (memory.limit || memory.reservation || memory.swap || memory.kernel || memory.kernel_tcp)
    resources->memory = memory;
  return {};
}

Status UpdateFlags::ReadCpu(oci::Resources* resources) const {
  oci::CpuResources cpu;
  TRY(SetInteger("--cpu-period", cpu_period_, &cpu.period));
  TRY(SetInteger("--cpu-quota", cpu_quota_, &cpu.quota));
  TRY(SetInteger("--cpu-burst", cpu_burst_, &cpu.burst));
  TRY(SetInteger("--cpu-share", cpu_shares_, &cpu.shares));
  TRY(SetInteger("--cpu-idle", cpu_idle_, &cpu.idle));
  TRY(SetInteger("--cpu-rt-period", cpu_realtime_period_, &cpu.realtime_period));
  TRY(SetInteger("--cpu-rt-runtime", cpu_realtime_runtime_, &cpu.realtime_runtime));
  cpu.cpus = cpus_;
  cpu.mems = mems_;
  const bool any = cpu.period || cpu.quota || cpu.burst || cpu.shares || cpu.idle ||
                   cpu.realtime_period || cpu.realtime_runtime || !cpus_.empty() || !mems_.empty();
  if (any) resources->cpu = cpu;
  return {};
}

Result<oci::Resources> UpdateFlags::Read() const {
  if (!l3_cache_.empty() || !memory_bandwidth_.empty())
    return Fail(Code::kUnimplemented,
                "--l3-cache-schema and --mem-bw-schema are not supported: Intel RDT is not used");
  oci::Resources resources;
  TRY(ReadMemory(&resources));
  TRY(ReadCpu(&resources));
  TRY(SetInteger("--pids-limit", pids_, &resources.pids_limit));
  if (!block_io_weight_.empty()) {
    resources.block_io.emplace();
    TRY(SetInteger("--blkio-weight", block_io_weight_, &resources.block_io->weight));
  }
  if (!resources.memory && !resources.cpu && !resources.pids_limit && !resources.block_io)
    return Fail(Code::kInvalidArgument,
                "which limits are to change: give one of the options, or --resources");
  return resources;
}

}  // namespace wasmoor::cmd
