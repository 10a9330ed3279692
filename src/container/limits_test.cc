#include "container/limits.h"

#include <gtest/gtest.h>

namespace wasmoor::container {
namespace {

constexpr int64_t kMiB = 1 << 20;

wasm::Limits Of(std::optional<int64_t> limit) {
  oci::Linux config;
  config.resources.emplace();
  config.resources->memory.emplace();
  config.resources->memory->limit = limit;
  return LimitsOf(config);
}

TEST(LimitsTest, WithoutALimitTheEnginesOwnHold) {
  const wasm::Limits usual;
  EXPECT_EQ(LimitsOf({}).memory_bytes, usual.memory_bytes);
  for (const std::optional<int64_t> none : {std::optional<int64_t>(), {0}, {-1}}) {
    EXPECT_EQ(Of(none).memory_bytes, usual.memory_bytes);
    EXPECT_EQ(Of(none).table_elements, usual.table_elements);
  }
}

TEST(LimitsTest, AGuestMayHaveALittleLessThanItsContainer) {
  for (const int64_t limit : {16 * kMiB, 64 * kMiB, 1024 * kMiB, 64 * 1024 * kMiB}) {
    const auto bytes = static_cast<int64_t>(Of(limit).memory_bytes);
    EXPECT_LE(bytes, limit - 2 * kMiB);
    EXPECT_GE(bytes, limit - 2 * kMiB - limit / 64);
  }
}

TEST(LimitsTest, TablesStayWithinWhatIsTakenOff) {
  constexpr int64_t kLimit = 256 * kMiB;
  const wasm::Limits limits = Of(kLimit);
  EXPECT_LE(limits.memory_bytes + limits.table_elements * 8, static_cast<uint64_t>(kLimit - kMiB));
  EXPECT_EQ(Of(int64_t{1} << 50).table_elements, wasm::Limits().table_elements);
  EXPECT_GE(Of(8 * kMiB).table_elements, 50'000U);
}

TEST(LimitsTest, ALimitThatLeavesNothingLeavesNothing) { EXPECT_EQ(Of(kMiB).memory_bytes, 0U); }

TEST(LimitsTest, TheLowerOfContainerAndOperatorHolds) {
  const GuestBounds bounds = {.memory_bytes = 64 * kMiB, .table_elements = 100'000};
  EXPECT_EQ(Within(bounds, {}).memory_bytes, static_cast<uint64_t>(64 * kMiB));
  EXPECT_EQ(Within(bounds, {}).table_elements, 100'000U);
  EXPECT_EQ(Within(bounds, Of(16 * kMiB)).memory_bytes, Of(16 * kMiB).memory_bytes);
  EXPECT_EQ(Within({}, Of(16 * kMiB)).table_elements, Of(16 * kMiB).table_elements);
}

}  // namespace
}  // namespace wasmoor::container
