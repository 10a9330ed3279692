#include "cmd/runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wasmoor::cmd {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr auto At(std::chrono::nanoseconds since_epoch) {
  return std::chrono::system_clock::time_point(since_epoch);
}

TEST(Rfc3339Test, TimesAreInUtcWithAllDigits) {
  EXPECT_EQ(Rfc3339(At(seconds(1'795'282'043)), Precision::kSeconds), "2026-11-21T17:27:23Z");
  EXPECT_EQ(Rfc3339(At(seconds(951'782'400) + nanoseconds(7)), Precision::kNanoseconds),
            "2000-02-29T00:00:00.000000007Z");
  EXPECT_EQ(Rfc3339(At(nanoseconds(-1)), Precision::kNanoseconds),
            "1969-12-31T23:59:59.999999999Z");
}

TEST(LogLineTest, AJsonLineIsOneObjectWithWhatCallersRead) {
  const std::string line =
      LogLine(Level::kError, "say \"no\"\n\xff", LogFormat::kJson, At(seconds(0)));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto read = nlohmann::json::parse(line);
  EXPECT_EQ(read["level"], "error");
  EXPECT_EQ(read["msg"], "say \"no\"\n\xef\xbf\xbd");
  EXPECT_EQ(read["time"], "1970-01-01T00:00:00Z");
}

TEST(LogLineTest, ATextLineHasItsMessageInQuotes) {
  EXPECT_EQ(LogLine(Level::kWarning, "a \"b\"\nc", LogFormat::kText, At(seconds(0))),
            "time=\"1970-01-01T00:00:00Z\" level=warning msg=\"a \\\"b\\\"\\nc\"\n");
}

}  // namespace
}  // namespace wasmoor::cmd
