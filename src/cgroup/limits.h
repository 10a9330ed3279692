#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "cgroup/tree.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

// From linux.resources to control files, controller by controller: how each limit is written on
// v1 and on v2.
namespace wasmoor::cgroup {

// One field of linux.resources on its way to its control file.
struct Field {
  const Branch& branch;
  std::string_view name;  // "memory.limit"

  Status Set(const std::string& file, std::string_view value) const;
  template <typename Number>
  Status SetNumber(const std::string& file, Number value) const {
    return Set(file, fmt::format("{}", value));
  }
};

// The branch of a controller, or an error that names the field which needs it.
Result<const Branch*> Need(const Tree& tree, std::string_view controller, std::string_view field);
tl::unexpected<Error> NotOnV2(std::string_view field, std::string_view instead);

// Negative is no limit: "max" on v2, -1 on v1.
std::string LimitText(const Branch& branch, int64_t value);

// All that `resources` has.
Status ApplyResources(const Tree& tree, const oci::Resources& resources);

Status ApplyCpu(const Tree& tree, const oci::CpuResources& cpu);
Status ApplyMemory(const Tree& tree, const oci::MemoryResources& memory);
Status ApplyBlockIo(const Tree& tree, const oci::BlockIoResources& io);
Status ApplyPids(const Tree& tree, int64_t limit);
Status ApplyHugetlb(const Tree& tree, const std::vector<oci::HugepageLimit>& limits);
Status ApplyRdma(const Tree& tree, const std::map<std::string, oci::RdmaLimit>& limits);
Status ApplyNetwork(const Tree& tree, const oci::NetworkResources& network);
Status ApplyDevices(const Tree& tree, const std::vector<oci::DeviceRule>& rules);
Status ApplyUnified(const Tree& tree, const std::map<std::string, std::string>& files);

// v1's shares, 2 to 262144 with 1024 by default, as v2's weight, 1 to 10000 with 100 by default: a
// line through both ends, as Kubernetes and the other runtimes draw it.
uint64_t CpuWeight(uint64_t shares);
// blkio's weight, 10 to 1000, as io.weight, 1 to 10000.
uint64_t IoWeight(uint64_t weight);

}  // namespace wasmoor::cgroup
