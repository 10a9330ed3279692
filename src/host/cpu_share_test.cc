#include "host/cpu_share.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <thread>

namespace wasmoor::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

oci::Linux ConfigOf(const oci::CpuResources& cpu) {
  oci::Linux config;
  config.resources.emplace().cpu = cpu;
  return config;
}

// By the clock, as there are no groups.
std::shared_ptr<CpuShare> ShareOf(const oci::CpuResources& cpu) {
  auto share = CpuShare::Make(nullptr, ConfigOf(cpu));
  EXPECT_TRUE(share);
  EXPECT_TRUE(*share && (*share)->is_by_clock());
  return share ? *share : nullptr;
}

TEST(CpuShareTest, IsNoneForWhoWantsNothing) {
  EXPECT_EQ(*CpuShare::Make(nullptr, {}), nullptr);
  EXPECT_EQ(*CpuShare::Make(nullptr, ConfigOf({.quota = -1})), nullptr);
}

TEST(CpuShareTest, OwesNothingForWhatTheQuotaAllows) {
  const auto share = ShareOf({.period = 100000, .quota = 100000});
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(share->Owed(milliseconds(1)), nanoseconds(0));
  EXPECT_EQ(share->throttling().times, 0u);
}

TEST(CpuShareTest, OwesAsManyTimesAsMuchAsTheQuotaIsLess) {
  const auto share = ShareOf({.period = 100000, .quota = 10000});
  // Ten seconds' work is a hundred seconds' due.
  const nanoseconds owed = share->Owed(seconds(10));
  EXPECT_GT(owed, seconds(50));
  EXPECT_LE(owed, seconds(100));
  EXPECT_EQ(share->throttling().times, 1u);
  EXPECT_EQ(share->throttling().slept, owed);
}

TEST(CpuShareTest, CountsAllGuestsOfTheContainerTogether) {
  const auto share = ShareOf({.period = 100000, .quota = 50000});
  share->Owed(seconds(10));
  EXPECT_GT(share->Owed(seconds(10)), seconds(30));
}

TEST(CpuShareTest, FollowsAChange) {
  const auto share = ShareOf({.period = 100000, .quota = 10000});
  ASSERT_TRUE(share->Change({.quota = -1}));
  EXPECT_EQ(share->Owed(seconds(10)), nanoseconds(0));
}

TEST(CpuShareTest, TakesNumbersThatNoKernelWould) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const auto none = ShareOf({.period = 0, .quota = 10000});
  EXPECT_GE(none->Owed(seconds(1)), nanoseconds(0));
  const auto long_period = ShareOf({.period = UINT64_MAX, .quota = 1});
  const nanoseconds owed = long_period->Owed(seconds(1));
  EXPECT_GT(owed, seconds(1)) << "no quota at all";
  const auto huge = ShareOf({.period = 1, .quota = kMost});
  EXPECT_EQ(huge->Owed(milliseconds(1)), nanoseconds(0));
}

}  // namespace
}  // namespace wasmoor::host
