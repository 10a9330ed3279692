#include "task/metrics.h"

#include <gtest/gtest.h>

#include "proto/containerd/cgroups_v1.pb.h"
#include "proto/containerd/cgroups_v2.pb.h"
#include "support/result.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

namespace v1 = ::io::containerd::cgroups::v1;
namespace v2 = ::io::containerd::cgroups::v2;
using wasmoor::test::Must;

cgroup::Stats SomeStats() {
  cgroup::Stats stats;
  stats.cpu = {.usage_ns = 7'000'000'000,
               .user_ns = 4'000'000'000,
               .system_ns = 3'000'000'000,
               .periods = 10,
               .throttled_periods = 2,
               .throttled_ns = 5'000'000,
               .per_cpu_ns = {6'000'000'000, 1'000'000'000}};
  cgroup::MemoryStats& memory = stats.memory.emplace();
  memory.usage = 4096;
  memory.swap_usage = 1024;
  memory.oom_kills = 3;
  memory.failures = 4;
  memory.raw = {{"total_inactive_file", 11},
                {"inactive_file", 12},
                {"anon", 13},
                {"rss", 14},
                {"hierarchical_memsw_limit", cgroup::kUnlimited}};
  stats.pids = cgroup::PidsStats{.current = 2};
  stats.block_io = {{.major = 8, .minor = 1, .read_bytes = 512, .writes = 6}};
  stats.pressure["cpu"].some = {.avg10 = 1.5, .total_ns = 9000};
  return stats;
}

TEST(MetricsTest, OfVersionOneAreInNanoseconds) {
  const auto any = PackMetrics(SomeStats(), cgroup::Layout::kHybrid);
  EXPECT_EQ(any.type_url(), "io.containerd.cgroups.v1.Metrics");
  const v1::Metrics metrics = Must(ttrpc::Unpack<v1::Metrics>(any));
  EXPECT_EQ(metrics.cpu().usage().total(), 7'000'000'000u);
  EXPECT_EQ(metrics.cpu().usage().user(), 4'000'000'000u);
  EXPECT_EQ(metrics.cpu().usage().kernel(), 3'000'000'000u);
  EXPECT_EQ(metrics.cpu().usage().per_cpu(1), 1'000'000'000u);
  EXPECT_EQ(metrics.cpu().throttling().throttled_time(), 5'000'000u);
  EXPECT_EQ(metrics.memory().usage().usage(), 4096u);
  EXPECT_EQ(metrics.memory().swap().usage(), 5120u);
  EXPECT_EQ(metrics.memory().usage().failcnt(), 4u);
  EXPECT_EQ(metrics.memory().total_inactive_file(), 11u);
  EXPECT_EQ(metrics.memory().rss(), 14u);
  EXPECT_EQ(metrics.memory_oom_control().oom_kill(), 3u);
  EXPECT_EQ(metrics.blkio().io_service_bytes_recursive(0).value(), 512u);
  EXPECT_EQ(metrics.blkio().io_serviced_recursive(1).op(), "Write");
  EXPECT_EQ(metrics.blkio().io_serviced_recursive(1).value(), 6u);
}

TEST(MetricsTest, OfVersionTwoAreInMicroseconds) {
  const auto any = PackMetrics(SomeStats(), cgroup::Layout::kV2);
  EXPECT_EQ(any.type_url(), "io.containerd.cgroups.v2.Metrics");
  const v2::Metrics metrics = Must(ttrpc::Unpack<v2::Metrics>(any));
  EXPECT_EQ(metrics.cpu().usage_usec(), 7'000'000u);
  EXPECT_EQ(metrics.cpu().user_usec(), 4'000'000u);
  EXPECT_EQ(metrics.cpu().system_usec(), 3'000'000u);
  EXPECT_EQ(metrics.cpu().throttled_usec(), 5'000u);
  EXPECT_EQ(metrics.cpu().psi().some().total(), 9u);
  EXPECT_EQ(metrics.memory().usage(), 4096u);
  EXPECT_EQ(metrics.memory().swap_usage(), 1024u);
  EXPECT_EQ(metrics.memory().inactive_file(), 12u);
  EXPECT_EQ(metrics.memory().anon(), 13u);
  EXPECT_EQ(metrics.memory_events().oom_kill(), 3u);
  EXPECT_EQ(metrics.io().usage(0).rbytes(), 512u);
  EXPECT_EQ(metrics.io().usage(0).wios(), 6u);
}

// The kubelet subtracts usage from limits that it takes for limits.
TEST(MetricsTest, SayWhereThereIsNoLimitAsEachVersionDoes) {
  const v1::Metrics one =
      Must(ttrpc::Unpack<v1::Metrics>(PackMetrics(SomeStats(), cgroup::Layout::kV1)));
  EXPECT_EQ(one.memory().usage().limit(), 9223372036854771712u);
  EXPECT_EQ(one.memory().swap().limit(), 9223372036854771712u);
  EXPECT_EQ(one.memory().hierarchical_swap_limit(), 9223372036854771712u);
  EXPECT_EQ(one.pids().limit(), 0u);
  const v2::Metrics two =
      Must(ttrpc::Unpack<v2::Metrics>(PackMetrics(SomeStats(), cgroup::Layout::kV2)));
  EXPECT_EQ(two.memory().usage_limit(), cgroup::kUnlimited);
  EXPECT_EQ(two.pids().limit(), cgroup::kUnlimited);
}

TEST(MetricsTest, LeaveOutWhatIsNotCounted) {
  const v1::Metrics metrics =
      Must(ttrpc::Unpack<v1::Metrics>(PackMetrics({}, cgroup::Layout::kV1)));
  EXPECT_FALSE(metrics.has_cpu() || metrics.has_memory() || metrics.has_pids());
}

}  // namespace
}  // namespace wasmoor::task
