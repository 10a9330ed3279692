#include "wasmoor/base/units.h"

#include <gtest/gtest.h>

namespace wasmoor {
namespace {

using std::chrono::nanoseconds;

TEST(ParseSize, TakesTheUnitsOfContainersAndOfStandards) {
  EXPECT_EQ(*ParseSize("4096"), 4096u);
  EXPECT_EQ(*ParseSize("64MiB"), 64u << 20);
  EXPECT_EQ(*ParseSize("64m"), 64u << 20);
  EXPECT_EQ(*ParseSize("1.5 K"), 1536u);
  EXPECT_EQ(*ParseSize("2MB"), 2'000'000u);
  EXPECT_EQ(*ParseSize("0"), 0u);
}

TEST(ParseSize, RefusesWhatIsNoSizeAndSaysHowToWriteOne) {
  for (const char* text : {"", "MiB", "-1", "1x", "nan", "inf", "1e3", "0x10", "1 2", "64MiBs"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size.has_value()) << text;
    EXPECT_EQ(size.error().code(), Code::kInvalidArgument);
    EXPECT_NE(size.error().message().find("64MiB"), std::string::npos);
  }
  EXPECT_FALSE(ParseSize("99999999T").has_value());
}

TEST(ParseDuration, TakesUnitsAndBareSeconds) {
  EXPECT_EQ(*ParseDuration("500ms"), nanoseconds(500'000'000));
  EXPECT_EQ(*ParseDuration("2"), nanoseconds(2'000'000'000));
  EXPECT_EQ(*ParseDuration("1.5m"), nanoseconds(90'000'000'000));
  EXPECT_EQ(*ParseDuration("0"), nanoseconds(0));
}

TEST(ParseDuration, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "s", "-2s", "1 year", "nan", "1:30", "99999999999h"})
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
}

TEST(Format, RoundsForPeople) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(1536), "1.5 KiB");
  EXPECT_EQ(FormatSize(uint64_t{4} << 30), "4.0 GiB");
  EXPECT_EQ(FormatDuration(nanoseconds(999)), "999 ns");
  EXPECT_EQ(FormatDuration(nanoseconds(1'300'000)), "1.3 ms");
  EXPECT_EQ(FormatDuration(nanoseconds(2'500'000'000)), "2.50 s");
}

}  // namespace
}  // namespace wasmoor
