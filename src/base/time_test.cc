#include "wasmoor/base/time.h"

#include <gtest/gtest.h>

namespace wasmoor {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr auto At(nanoseconds since_epoch) {
  return std::chrono::system_clock::time_point(since_epoch);
}

TEST(Rfc3339Test, TimesAreInUtcWithAllDigits) {
  EXPECT_EQ(Rfc3339(At(seconds(0)), Precision::kSeconds), "1970-01-01T00:00:00Z");
  EXPECT_EQ(Rfc3339(At(seconds(1'795'282'043)), Precision::kSeconds), "2026-11-21T17:27:23Z");
  EXPECT_EQ(Rfc3339(At(seconds(951'782'400) + nanoseconds(7)), Precision::kNanoseconds),
            "2000-02-29T00:00:00.000000007Z");
  EXPECT_EQ(Rfc3339(At(seconds(1'795'282'043) + nanoseconds(7'999'999)), Precision::kMilliseconds),
            "2026-11-21T17:27:23.007Z");
  EXPECT_EQ(Rfc3339(At(nanoseconds(-1)), Precision::kNanoseconds),
            "1969-12-31T23:59:59.999999999Z");
}

}  // namespace
}  // namespace wasmoor
