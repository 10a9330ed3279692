#pragma once

#include <google/protobuf/any.pb.h>

#include "wasmoor/cgroup/stats.h"

namespace wasmoor::task {

google::protobuf::Any PackMetricsV1(const cgroup::Stats& stats);
google::protobuf::Any PackMetricsV2(const cgroup::Stats& stats);

}  // namespace wasmoor::task
