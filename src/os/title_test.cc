#include "wasmoor/os/title.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "support/child.h"
#include "support/scratch.h"

namespace wasmoor::os {
namespace {

using ::testing::EndsWith;
using ::testing::StartsWith;

// Runs expectations in a process of its own, which may be anybody afterwards.
bool HoldsInChild(const std::function<void()>& body) {
  return test::InChild([&] {
           body();
           return ::testing::Test::HasFailure() ? 1 : 0;
         }) == "exit 0";
}

TEST(TitleTest, AProcessShowsWhatItHasBecome) {
  EXPECT_TRUE(HoldsInChild([] {
    const std::vector<std::string> words = {"/a/b.wasm", "-v"};
    ShowAs(words);
    const std::string shown = test::ReadFile("/proc/self/cmdline");
    EXPECT_THAT(shown, StartsWith(std::string("/a/b.wasm\0-v\0", 13)));
    EXPECT_EQ(shown.find_first_not_of('\0', 13), std::string::npos);
    EXPECT_EQ(test::ReadFile("/proc/self/comm"), "b.wasm\n");
  }));
}

TEST(TitleTest, NothingIsLeftOfTheEnvironmentItWasStartedWith) {
  ASSERT_NE(test::ReadFile("/proc/self/environ").find("PATH="), std::string::npos);
  EXPECT_TRUE(HoldsInChild([] {
    const std::vector<std::string> words = {"x"};
    ShowAs(words);
    EXPECT_EQ(test::ReadFile("/proc/self/environ").find_first_not_of('\0'), std::string::npos);
    EXPECT_EQ(getenv("PATH"), nullptr);
  }));
}

TEST(TitleTest, ALineThatIsTooLongIsCut) {
  EXPECT_TRUE(HoldsInChild([] {
    const size_t room = test::ReadFile("/proc/self/cmdline").size();
    const std::vector<std::string> words = {"name", std::string(room * 2, 'x')};
    ShowAs(words);
    const std::string shown = test::ReadFile("/proc/self/cmdline");
    EXPECT_EQ(shown.size(), room);
    EXPECT_THAT(shown, StartsWith(std::string("name\0x", 6)));
    EXPECT_THAT(shown, EndsWith(std::string("x\0", 2)));
  }));
}

}  // namespace
}  // namespace wasmoor::os
