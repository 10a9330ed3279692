#include "wasmoor/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>
#include <sstream>
#include <string>

namespace wasmoor::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What is wrong with a page, by the grammar of the text format and its rule that the lines of a
// metric stand together; empty: nothing.
std::string WrongIn(const std::string& page) {
  static const std::regex kLine(
      "(# HELP [a-zA-Z_][a-zA-Z0-9_]* [^\\n]*)|"
      "(# TYPE [a-zA-Z_][a-zA-Z0-9_]* (counter|gauge|histogram))|"
      "([a-zA-Z_][a-zA-Z0-9_]*(\\{([a-zA-Z_][a-zA-Z0-9_]*=\"([^\"\\\\\\n]|\\\\[\\\\n\"])*\",?)+\\})"
      "?"
      " ([-+]?[0-9.]+(e[-+]?[0-9]+)?|NaN|[-+]Inf))");
  std::istringstream lines(page);
  std::string metric;
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_match(line, kLine)) return "no line of the format: " + line;
    if (line.starts_with("# HELP ")) metric = line.substr(7, line.find(' ', 7) - 7);
    const size_t at = line.starts_with("#") ? 7 : 0;
    if (line.substr(at, metric.size()) != metric) return "not of " + metric + ": " + line;
  }
  return page.ends_with('\n') ? "" : "no end of the last line";
}

TEST(MetricsTest, APageHasEveryKindInTheFormatOfPrometheus) {
  Registry registry;
  registry.Counters("wasmoor_test_calls_total", "Calls.", {"method", "code"})
      .With({"Create", "ok"})
      .Add(3);
  registry.Gauges("wasmoor_test_open_fds", "Descriptors.").With().Set(-1.5);
  auto& spread =
      registry.Histograms("wasmoor_test_call_seconds", "How long.", {0.1, 1}, {"method"});
  for (const double seconds : {0.05, 0.1, 0.5, 7.0}) spread.With({"Start"}).Observe(seconds);
  const std::string page = registry.Scrape();
  EXPECT_EQ(WrongIn(page), "");
  EXPECT_THAT(page, HasSubstr("# HELP wasmoor_test_calls_total Calls.\n"
                              "# TYPE wasmoor_test_calls_total counter\n"
                              "wasmoor_test_calls_total{method=\"Create\",code=\"ok\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("wasmoor_test_open_fds -1.5\n"));
  EXPECT_THAT(page, HasSubstr("wasmoor_test_call_seconds_bucket{method=\"Start\",le=\"0.1\"} 2\n"
                              "wasmoor_test_call_seconds_bucket{method=\"Start\",le=\"1\"} 3\n"
                              "wasmoor_test_call_seconds_bucket{method=\"Start\",le=\"+Inf\"} 4\n"
                              "wasmoor_test_call_seconds_sum{method=\"Start\"} 7.65\n"
                              "wasmoor_test_call_seconds_count{method=\"Start\"} 4\n"));
}

TEST(MetricsTest, WhatIsCountedWithoutLabelsIsSeenToBeZeroFromTheStart) {
  Registry registry;
  registry.Counters("wasmoor_test_faults_total", "Faults.");
  EXPECT_THAT(registry.Scrape(), HasSubstr("wasmoor_test_faults_total 0\n"));
}

TEST(MetricsTest, ALabelCannotWriteLinesOfItsOwn) {
  Registry registry;
  auto& calls = registry.Counters("wasmoor_test_calls_total", "A \\ and\na line.", {"name"});
  calls.With({"\"} 7\nwasmoor_forged 1\n# "}).Add();
  calls.With({"back\\slash"}).Add();
  calls.With({std::string_view("\xff\0\xe2\x80\xae", 5)}).Add();
  calls.With({"gr\xc3\xbc\xc3\x9f"}).Add();
  const std::string page = registry.Scrape();
  EXPECT_EQ(WrongIn(page), "");
  EXPECT_THAT(page, Not(HasSubstr("\nwasmoor_forged")));
  EXPECT_THAT(page, HasSubstr("{name=\"gr\xc3\xbc\xc3\x9f\"} 1\n"));
}

TEST(MetricsTest, ALongLabelIsCutAndStillIsOneSeries) {
  Registry registry;
  auto& calls = registry.Counters("wasmoor_test_calls_total", "Calls.", {"name"});
  for (const char c : {'a', '\n'}) {
    calls.With({std::string(1000, c)}).Add();
    calls.With({std::string(2000, c)}).Add();
  }
  // A character of three bytes over the place where it is cut.
  calls.With({std::string(kMostLabelBytes - 1, 'x') + "\xe2\x82\xac"}).Add();
  const std::string page = registry.Scrape();
  EXPECT_EQ(WrongIn(page), "");
  EXPECT_THAT(page, HasSubstr("{name=\"" + std::string(kMostLabelBytes, 'a') + "\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("{name=\"" + std::string(kMostLabelBytes - 1, 'x') + "\"} 1\n"));
  EXPECT_EQ(std::count(page.begin(), page.end(), '\n'), 2 + 3);
}

TEST(MetricsTest, BeyondTheMostSeriesTheRestIsCountedAsOne) {
  Registry registry;
  auto& calls = registry.Counters("wasmoor_test_calls_total", "Calls.", {"name", "code"});
  constexpr size_t kMany = 5000;
  for (size_t i = 0; i < kMany; ++i) calls.With({std::to_string(i), "ok"}).Add();
  const std::string page = registry.Scrape();
  EXPECT_EQ(static_cast<size_t>(std::count(page.begin(), page.end(), '\n')), 2 + kMostSeries);
  EXPECT_THAT(page, HasSubstr("{name=\"other\",code=\"other\"} 4001\n"));
}

TEST(MetricsTest, NumbersThatAreNoneHaveTheNamesOfTheFormat) {
  Registry registry;
  auto& values = registry.Gauges("wasmoor_test_value", "Values.", {"of"});
  values.With({"nan"}).Set(std::nan(""));
  values.With({"most"}).Set(std::numeric_limits<double>::infinity());
  values.With({"least"}).Set(-std::numeric_limits<double>::infinity());
  values.With({"large"}).Set(1e300);
  const std::string page = registry.Scrape();
  EXPECT_EQ(WrongIn(page), "");
  EXPECT_THAT(page, HasSubstr("{of=\"nan\"} NaN\n"));
  EXPECT_THAT(page, HasSubstr("{of=\"most\"} +Inf\n"));
  EXPECT_THAT(page, HasSubstr("{of=\"least\"} -Inf\n"));
}

TEST(MetricsTest, ACollectorIsAskedAtEachScrapeAndNotBetween) {
  Registry registry;
  int asked = 0;
  registry.Collect([&asked](Page& page) {
    page.Begin(Kind::kGauge, "wasmoor_test_asked", "How often.");
    page.Add({{"by", "scrape"}}, ++asked);
  });
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(registry.Scrape(), HasSubstr("wasmoor_test_asked{by=\"scrape\"} 1\n"));
  EXPECT_THAT(registry.Scrape(), HasSubstr("wasmoor_test_asked{by=\"scrape\"} 2\n"));
}

TEST(MetricsDeathTest, AMetricThatIsToldOfTwiceIsADefect) {
  Registry registry;
  registry.Counters("wasmoor_test_calls_total", "Calls.");
  registry.Counters("wasmoor_test_calls_total", "Calls.");
  EXPECT_DEATH((void)registry.Scrape(), "begun_");
  EXPECT_DEATH(registry.Counters("wasmoor test", "Calls."), "IsName");
}

}  // namespace
}  // namespace wasmoor::telemetry
