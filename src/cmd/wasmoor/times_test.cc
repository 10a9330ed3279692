#include "cmd/wasmoor/times.h"

#include <gtest/gtest.h>

namespace wasmoor::cmd {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

TEST(TimesTest, AnAgeIsToldInItsLargestUnit) {
  const auto now = system_clock::time_point(std::chrono::hours(100'000));
  const auto ago = [&](auto age) { return Ago(now - age, now); };
  EXPECT_EQ(ago(seconds(0)), "just now");
  EXPECT_EQ(ago(seconds(59)), "59 seconds ago");
  EXPECT_EQ(ago(seconds(60)), "1 minute ago");
  EXPECT_EQ(ago(std::chrono::hours(3)), "3 hours ago");
  EXPECT_EQ(ago(std::chrono::hours(24 * 400)), "400 days ago");
  EXPECT_EQ(ago(seconds(-1)), "just now");
  EXPECT_EQ(ago(seconds(-60)), "in the future");
}

}  // namespace
}  // namespace wasmoor::cmd
