#include "cmd/runtime/process_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace wasmoor::cmd {
namespace {

using ::testing::HasSubstr;

TEST(ProcessTableTest, LinesAreChosenByTheColumnOfTheProcess) {
  constexpr std::array<pid_t, 2> kPids = {22, 4};
  const auto lines = LinesOfProcesses(
      "UID        PID  PPID CMD\n"
      "root         4     1 sleep 22\n"
      "root        22     4 sh -c x\n"
      "root        23    22 sleep 4\n",
      kPids);
  ASSERT_TRUE(lines);
  EXPECT_EQ(*lines,
            "UID        PID  PPID CMD\n"
            "root         4     1 sleep 22\n"
            "root        22     4 sh -c x\n");
}

TEST(ProcessTableTest, WithoutThatColumnTheOptionsAreToBlame) {
  const auto lines = LinesOfProcesses("CMD\nsh\n", {});
  ASSERT_FALSE(lines);
  EXPECT_THAT(lines.error().message(), HasSubstr("no column PID"));
}

TEST(ProcessTableTest, NumbersAreAnArray) {
  constexpr std::array<pid_t, 2> kPids = {22, 4};
  EXPECT_EQ(PidsJson(kPids), "[22,4]\n");
  EXPECT_EQ(PidsJson({}), "[]\n");
}

}  // namespace
}  // namespace wasmoor::cmd
