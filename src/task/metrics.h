#pragma once

#include <google/protobuf/any.pb.h>

#include <optional>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/root.h"
#include "wasmoor/cgroup/stats.h"

namespace wasmoor::task {

// What a group has used, as containerd and the kubelet read it: io.containerd.cgroups.v2.Metrics
// where the machine's control groups are v2 alone, else the one of v1. That is how containerd
// itself decides what it reads.
google::protobuf::Any PackMetrics(const cgroup::Stats& stats, cgroup::Layout layout);

// The same for this machine's layout, at which it looks once, when it is asked for the first time.
class MetricsPacker {
 public:
  Result<google::protobuf::Any> Pack(const cgroup::Stats& stats);

 private:
  std::optional<cgroup::Layout> layout_;
};

}  // namespace wasmoor::task
