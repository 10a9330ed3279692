#include "task/metrics.h"

#include "task/metrics_parts.h"

namespace wasmoor::task {

google::protobuf::Any PackMetrics(const cgroup::Stats& stats, cgroup::Layout layout) {
  return layout == cgroup::Layout::kV2 ? PackMetricsV2(stats) : PackMetricsV1(stats);
}

Result<google::protobuf::Any> MetricsPacker::Pack(const cgroup::Stats& stats) {
  if (!layout_) layout_ = TRY(cgroup::Root::Detect()).layout();
  return PackMetrics(stats, *layout_);
}

}  // namespace wasmoor::task
