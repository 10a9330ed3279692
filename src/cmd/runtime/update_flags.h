#pragma once

#include <array>
#include <string>
#include <string_view>

#include "cmd/line/options.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::cmd {

// The limits that the options of `update` name.
class UpdateFlags {
 public:
  void Configure(Options& options);
  // kInvalidArgument names the option; also if there is no limit at all.
  Result<oci::Resources> Read() const;

 private:
  Status ReadCpu(oci::Resources* resources) const;
  Status ReadMemory(oci::Resources* resources) const;

  std::string memory_, memory_reservation_, memory_swap_, kernel_memory_, kernel_memory_tcp_;
  std::string cpu_period_, cpu_quota_, cpu_burst_, cpu_shares_, cpu_idle_;
  std::string cpu_realtime_period_, cpu_realtime_runtime_, cpus_, mems_;
  std::string pids_, block_io_weight_, l3_cache_, memory_bandwidth_;
};

}  // namespace wasmoor::cmd
