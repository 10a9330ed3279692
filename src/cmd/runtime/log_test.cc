#include "cmd/runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wasmoor::cmd {
namespace {

using std::chrono::seconds;

constexpr auto At(std::chrono::nanoseconds since_epoch) {
  return std::chrono::system_clock::time_point(since_epoch);
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
