#include "function/page/text.h"

#include <gtest/gtest.h>

#include <array>

#include "function/page/snapshot.h"

namespace wasmoor::function::page {
namespace {

TEST(TextTest, GroupsDigits) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1000), "1,000");
  EXPECT_EQ(CountText(12345678), "12,345,678");
}

TEST(TextTest, SaysThatThereIsSomethingHoweverLittle) {
  EXPECT_EQ(RateText(0), "0");
  EXPECT_EQ(RateText(0.01), "<0.1");
  EXPECT_EQ(RateText(3.14), "3.1");
  EXPECT_EQ(RateText(9.97), "10");
  EXPECT_EQ(RateText(1234.5), "1,234");
  EXPECT_EQ(CpusText(0), "0");
  EXPECT_EQ(CpusText(0.001), "<0.01");
  EXPECT_EQ(CpusText(1.256), "1.26");
}

TEST(TextTest, SaysTimesInTheirUnit) {
  EXPECT_EQ(TimeText(kNone), "–");
  EXPECT_EQ(TimeText(0), "0.0 µs");
  EXPECT_EQ(TimeText(0.0000512), "51 µs");
  EXPECT_EQ(TimeText(0.0009999), "1.0 ms");
  EXPECT_EQ(TimeText(0.0025), "2.5 ms");
  EXPECT_EQ(TimeText(0.25), "250 ms");
  EXPECT_EQ(TimeText(0.99999), "1.0 s");
  EXPECT_EQ(TimeText(30), "30 s");
  EXPECT_EQ(TimeText(kBeyond), ">30 s");
}

TEST(TextTest, SaysSpansByTheirTwoLargestUnits) {
  EXPECT_EQ(SpanText(0), "0");
  EXPECT_EQ(SpanText(1.26), "1.3 s");
  EXPECT_EQ(SpanText(42), "42 s");
  EXPECT_EQ(SpanText(125), "2 min 5 s");
  EXPECT_EQ(SpanText(3 * 3600 + 120), "3 h 2 min");
  EXPECT_EQ(SpanText(50 * 3600), "2 d 2 h");
  EXPECT_EQ(AgoText(std::chrono::milliseconds(300)), "just now");
  EXPECT_EQ(AgoText(std::chrono::seconds(-5)), "just now");
  EXPECT_EQ(AgoText(std::chrono::seconds(12)), "12 s ago");
}

TEST(TextTest, SaysSizesInTheirUnit) {
  EXPECT_EQ(SizeText(0), "–");
  EXPECT_EQ(SizeText(1023), "1023 B");
  EXPECT_EQ(SizeText(1024), "1.0 KiB");
  EXPECT_EQ(SizeText(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(SizeText(200.0 * 1024 * 1024), "200 MiB");
  EXPECT_EQ(SizeText(17.6 * 1024 * 1024 * 1024), "17.6 GiB");
}

TEST(QuantileTest, LiesWhereThatPartOfThemIsBelow) {
  constexpr std::array<double, 3> kBounds = {1, 2, 4};
  EXPECT_EQ(Quantile(kBounds, std::array<uint64_t, 4>{}, 0.5), kNone);
  EXPECT_DOUBLE_EQ(Quantile(kBounds, std::array<uint64_t, 4>{10, 0, 0, 0}, 0.5), 0.5);
  EXPECT_DOUBLE_EQ(Quantile(kBounds, std::array<uint64_t, 4>{10, 10, 0, 0}, 0.75), 1.5);
  EXPECT_DOUBLE_EQ(Quantile(kBounds, std::array<uint64_t, 4>{0, 0, 10, 0}, 1), 4);
  EXPECT_DOUBLE_EQ(Quantile(kBounds, std::array<uint64_t, 4>{0, 5, 0, 5}, 0.5), 2);
  EXPECT_EQ(Quantile(kBounds, std::array<uint64_t, 4>{1, 0, 0, 99}, 0.5), kBeyond);
}

}  // namespace
}  // namespace wasmoor::function::page
