#include "function/totals.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace wasmoor::function {
namespace {

TEST(TotalsTest, AddUpWhatAllLoopsHaveCounted) {
  Totals totals(2);
  Numbers one, other;
  one.ends = {3, 1, 0, 0, 0};
  one.most_memory = 7;
  other.ends = {4, 0, 0, 0, 0};
  other.most_memory = 5;
  totals.Put(0, {{"a", one}, {"b", other}});
  totals.Put(1, {{"a", other}});
  totals.Put(1, {{"a", other}});  // Cumulative: it says the same again.
  EXPECT_EQ(totals.Sums()["a"].ends[0], 7U);
  EXPECT_EQ(totals.Sums()["a"].most_memory, 7U);
  EXPECT_EQ(totals.Sums()["b"].ends[0], 4U);
  EXPECT_EQ(totals.All().ends[0], 11U);
  EXPECT_EQ(totals.All().ends[1], 1U);
}

TEST(TotalsTest, KeepFailuresOfEachKindWithHowOftenTheyWere) {
  Totals totals(1);
  const auto fail = [&](std::string_view function, std::string_view problem,
                        std::string_view target) {
    totals.Keep({.method = "GET", .target = target, .function = function, .problem = problem});
  };
  fail("a", "it trapped", "/a?1");
  fail("b", "it trapped", "/b");
  fail("a", "it trapped", "/a?2");
  fail("a", "it exited", "/a");
  fail("b", "it trapped", "/b");
  const auto failures = totals.Failures();
  ASSERT_EQ(failures.size(), 3U);
  EXPECT_EQ(failures[0].function, "b");
  EXPECT_EQ(failures[0].times, 2U);
  EXPECT_EQ(failures[1].problem, "it exited");
  EXPECT_EQ(failures[2].target, "/a?2");
  EXPECT_EQ(failures[2].times, 2U);
  EXPECT_EQ(failures[2].number, 1U);
  EXPECT_LE(failures[2].first, failures[2].at);
}

TEST(TotalsTest, ForgetTheOldestFailures) {
  Totals totals(1);
  for (size_t i = 0; i <= Totals::kMostFailures; ++i)
    totals.Keep({.function = fmt::format("f{}", i)});
  const auto failures = totals.Failures();
  ASSERT_EQ(failures.size(), Totals::kMostFailures);
  EXPECT_EQ(failures.front().function, fmt::format("f{}", Totals::kMostFailures));
  EXPECT_EQ(failures.back().function, "f1");
}

}  // namespace
}  // namespace wasmoor::function
