#include <algorithm>
#include <array>
#include <charconv>

#include "cgroup/control_file.h"
#include "cgroup/limits.h"
#include "cgroup/scope.h"
#include "wasmoor/cgroup/stats.h"

namespace wasmoor::cgroup {
namespace {

constexpr uint64_t kInfinity = kUnlimited;  // As systemd writes "infinity" into a number.
constexpr uint64_t kSecond = 1'000'000;     // In microseconds.
constexpr uint64_t kDefaultPeriod = 100'000;
// systemd keeps a quota as whole percents of a CPU.
constexpr uint64_t kQuotaStep = 10'000;
constexpr uint32_t kMaxCpus = 8192;

using Properties = std::vector<Property>;

uint64_t AsLimit(int64_t value) { return value < 0 ? kInfinity : static_cast<uint64_t>(value); }

// "0-2,5" as bits, the lowest byte first; empty if it is no such list.
std::vector<uint8_t> Bits(std::string_view list) {
  std::vector<uint8_t> bits;
  while (!list.empty()) {
    std::string_view range = TakeUntil(&list, ',');
    const std::string_view low = TakeUntil(&range, '-');
    if (range.empty()) range = low;
    uint32_t first = 0, last = 0;
    const auto read = [](std::string_view text, uint32_t* number) {
      const char* end = text.data() + text.size();
      const auto [at, error] = std::from_chars(text.data(), end, *number);
      return error == std::errc() && at == end;
    };
    if (!read(low, &first) || !read(range, &last) || last < first || last >= kMaxCpus) return {};
    for (uint32_t one = first; one <= last; ++one) {
      if (bits.size() <= one / 8) bits.resize(one / 8 + 1);
      bits[one / 8] |= static_cast<uint8_t>(1 << one % 8);
    }
  }
  return bits;
}

void AddCpu(const oci::CpuResources& cpu, Version version, Properties* out) {
  if (cpu.shares.value_or(0) != 0 && cpu.idle.value_or(0) == 0) {
    version == Version::kV2 ? out->push_back({"CPUWeight", CpuWeight(*cpu.shares)})
                            : out->push_back({"CPUShares", *cpu.shares});
  }
  const uint64_t period = cpu.period.value_or(0);
  if (period != 0) out->push_back({"CPUQuotaPeriodUSec", period});
  if (cpu.quota.value_or(0) != 0) {
    uint64_t each_second = kInfinity;
    if (*cpu.quota > 0) {
      const auto quota = static_cast<unsigned __int128>(*cpu.quota) * kSecond;
      const auto exact = static_cast<uint64_t>(quota / (period != 0 ? period : kDefaultPeriod));
      each_second = (exact + kQuotaStep - 1) / kQuotaStep * kQuotaStep;
    }
    out->push_back({"CPUQuotaPerSecUSec", each_second});
  }
  if (version == Version::kV1) return;  // systemd leaves the cpuset of v1 alone.
  if (auto cpus = Bits(cpu.cpus); !cpus.empty()) out->push_back({"AllowedCPUs", std::move(cpus)});
  if (auto mems = Bits(cpu.mems); !mems.empty())
    out->push_back({"AllowedMemoryNodes", std::move(mems)});
}

void AddMemory(const oci::MemoryResources& memory, Version version, Properties* out) {
  const int64_t limit = memory.limit.value_or(0), swap = memory.swap.value_or(0);
  if (version == Version::kV1) {
    if (limit != 0) out->push_back({"MemoryLimit", AsLimit(limit)});
    return;
  }
  if (limit != 0) out->push_back({"MemoryMax", AsLimit(limit)});
  if (memory.reservation.value_or(0) != 0)
    out->push_back({"MemoryLow", AsLimit(*memory.reservation)});
  // What limits.h says of the two: swap is counted with memory in resources.
  if (swap < 0 || (swap == 0 && limit < 0)) out->push_back({"MemorySwapMax", kInfinity});
  if (swap > 0 && limit > 0 && swap >= limit)
    out->push_back({"MemorySwapMax", static_cast<uint64_t>(swap - limit)});
}

// Files of v2 whose value is one number.
struct UnifiedFile {
  std::string_view file;
  const char* property;
};
constexpr std::array<UnifiedFile, 8> kUnified = {{
    {"cpu.weight", "CPUWeight"},
    {"io.weight", "IOWeight"},
    {"memory.high", "MemoryHigh"},
    {"memory.low", "MemoryLow"},
    {"memory.max", "MemoryMax"},
    {"memory.min", "MemoryMin"},
    {"memory.swap.max", "MemorySwapMax"},
    {"pids.max", "TasksMax"},
}};

void AddUnified(const std::map<std::string, std::string>& files, Properties* out) {
  for (const UnifiedFile& known : kUnified) {
    const auto file = files.find(std::string(known.file));
    if (file == files.end()) continue;
    const bool is_number = !file->second.empty() &&
                           file->second.find_first_not_of("0123456789\n") == std::string::npos;
    if (file->second.starts_with("max") || is_number)
      out->push_back({known.property, ToNumber(file->second)});
  }
}

}  // namespace

std::vector<Property> PropertiesOf(const oci::Resources& resources, Version version) {
  Properties all;
  if (resources.cpu) AddCpu(*resources.cpu, version, &all);
  if (resources.memory) AddMemory(*resources.memory, version, &all);
  if (resources.pids_limit)
    all.push_back(
        {"TasksMax", *resources.pids_limit <= 0 ? kInfinity : AsLimit(*resources.pids_limit)});
  if (resources.block_io && resources.block_io->weight.value_or(0) != 0) {
    const uint64_t weight = *resources.block_io->weight;
    version == Version::kV2 ? all.push_back({"IOWeight", IoWeight(weight)})
                            : all.push_back({"BlockIOWeight", weight});
  }
  if (version == Version::kV2) AddUnified(resources.unified, &all);
  return all;
}

}  // namespace wasmoor::cgroup
