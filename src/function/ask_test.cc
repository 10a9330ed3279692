#include "function/ask.h"

#include <gmock/gmock.h>

namespace wasmoor::function {
namespace {

constexpr Allowance kUsual;
constexpr Allowance kMost{
    .millicores = 2000, .memory_bytes = uint64_t{1} << 30, .time = std::chrono::minutes(1)};

Result<Allowance> Read(const std::vector<http::Field>& fields) {
  const Head head({.method = "GET", .target = "/", .fields = fields});
  return ReadAllowance(head, kUsual, kMost);
}

TEST(AllowanceTest, IsTheUsualOneWhereNothingIsSaid) { EXPECT_EQ(*Read({}), kUsual); }

TEST(AllowanceTest, IsWhatTheFieldsSayInWhateverCase) {
  const auto read =
      Read({{"CPU_QUOTA", "250"}, {"memory-REQUEST", " 64 "}, {"Request-Timeout", "250ms"}});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->millicores, 250U);
  EXPECT_EQ(read->memory_bytes, uint64_t{64} << 20);
  EXPECT_EQ(read->time, std::chrono::milliseconds(250));
}

TEST(AllowanceTest, HasAtMostTheMostOfTime) {
  EXPECT_EQ(Read({{"request-timeout", "3600"}})->time, kMost.time);
  EXPECT_EQ(Read({{"request-timeout", "2s"}})->time, std::chrono::seconds(2));
}

TEST(AllowanceTest, RefusesWhatIsNoNumberAboveZero) {
  for (const std::string_view value : {"", "0", "-1", "NaN", "inf", "1e3", "1.5", "12x", "0x10",
                                       "99999999999999999999999", "+5", "5 5"}) {
    for (const std::string_view name : {"cpu_quota", "Memory-Request", "Request-Timeout"}) {
      const auto read = Read({{name, value}});
      ASSERT_FALSE(read) << name << ": " << value;
      EXPECT_EQ(read.error().code(), Code::kInvalidArgument);
    }
  }
}

TEST(AllowanceTest, RefusesAFieldThatIsThereTwice) {
  EXPECT_FALSE(Read({{"cpu_quota", "5"}, {"Cpu_Quota", "5"}}));
}

TEST(AllowanceTest, RefusesMoreThanThereIs) {
  EXPECT_EQ(Read({{"cpu_quota", "2001"}}).error().code(), Code::kOutOfRange);
  EXPECT_EQ(Read({{"memory-request", "1025"}}).error().code(), Code::kOutOfRange);
  EXPECT_TRUE(Read({{"memory-request", "1024"}}));
}

}  // namespace
}  // namespace wasmoor::function
