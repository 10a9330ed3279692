#include "cmd/runtime/state_root.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wasmoor::cmd {
namespace {

using ::testing::HasSubstr;

const std::string kWholeMachine = "         0          0 4294967295\n";
const std::string kOfAUser = "         0       1000          1\n         1     100000      65536\n";

std::string RootOf(const Caller& caller, std::string_view rootless = "auto") {
  const auto root = DefaultStateRoot(caller, rootless);
  return root ? *root : "error: " + root.error().message();
}

TEST(StateRootTest, RootOfTheMachineHasTheSystemsDirectory) {
  EXPECT_EQ(RootOf({.is_root = true}), "/run/wasmoor");
  EXPECT_EQ(RootOf({.is_root = true, .uid_map = kWholeMachine, .runtime_directory = "/run/user/0"}),
            "/run/wasmoor");
}

TEST(StateRootTest, AUserHasOneOfHisOwn) {
  EXPECT_EQ(RootOf({.is_root = false, .runtime_directory = "/run/user/1000"}),
            "/run/user/1000/wasmoor");
}

TEST(StateRootTest, RootOfAUserNamespaceIsAUser) {
  EXPECT_EQ(RootOf({.is_root = true, .uid_map = kOfAUser, .runtime_directory = "/run/user/1000"}),
            "/run/user/1000/wasmoor");
}

TEST(StateRootTest, WithoutADirectoryOfHisOwnAUserIsToldWhatToDo) {
  EXPECT_THAT(RootOf({.is_root = false}), HasSubstr("set XDG_RUNTIME_DIR, or give a directory"));
}

TEST(StateRootTest, TheCallerMaySayWhichItIs) {
  const Caller root = {
      .is_root = true, .uid_map = kWholeMachine, .runtime_directory = "/run/user/0"};
  EXPECT_EQ(RootOf(root, "true"), "/run/user/0/wasmoor");
  EXPECT_EQ(RootOf({.is_root = false}, "false"), "/run/wasmoor");
}

}  // namespace
}  // namespace wasmoor::cmd
