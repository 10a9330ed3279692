#include "jail/hook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/scratch.h"

namespace wasmoor::jail {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class HookTest : public ::testing::Test {
 protected:
  HookTest() {
    state.id = "box";
    state.pid = 42;
    state.bundle = "/bundle";
  }

  // A hook that is this shell script; $OUT is a file of the test's.
  oci::Hook Shell(const std::string& script) const {
    oci::Hook hook;
    hook.path = "/bin/sh";
    hook.args = {"sh", "-c", script};
    hook.env = {"OUT=" + (scratch / "out").native(), "PATH=/usr/bin:/bin"};
    return hook;
  }
  std::string Failure(const oci::Hook& hook) const {
    const Status ran = RunHooks(std::vector{hook}, "prestart", state);
    return ran ? "it ran" : ran.error().message();
  }
  std::string Out() const {
    std::ostringstream text;
    text << std::ifstream(scratch / "out").rdbuf();
    return text.str();
  }

  const test::ScratchDirectory scratch;
  oci::State state;
};

TEST_F(HookTest, GetsTheStateOnItsInput) {
  EXPECT_EQ(Failure(Shell("cat > $OUT")), "it ran");
  EXPECT_EQ(Out(), ToJson(state));
}

TEST_F(HookTest, GetsItsOwnEnvironmentAndNoMore) {
  setenv("WASMOOR_SECRET", "x", 1);
  oci::Hook hook = Shell("env > $OUT");
  hook.env.emplace_back("A=b c");
  EXPECT_EQ(Failure(hook), "it ran");
  EXPECT_THAT(Out(), AllOf(HasSubstr("A=b c\n"), Not(HasSubstr("WASMOOR_SECRET"))));
  unsetenv("WASMOOR_SECRET");
}

TEST_F(HookTest, NeedNotReadItsInput) {
  state.annotations["large"] = std::string(1 << 20, 'x');
  EXPECT_EQ(Failure(Shell("exec 0<&-")), "it ran");
}

TEST_F(HookTest, AFailureEndsTheListAndSaysWhatTheHookSaid) {
  const std::vector<oci::Hook> hooks = {Shell("echo one >> $OUT"),
                                        Shell("echo it is broken >&2; exit 3"),
                                        Shell("echo three >> $OUT")};
  const Status ran = RunHooks(hooks, "createRuntime", state);
  ASSERT_FALSE(ran.has_value());
  EXPECT_EQ(ran.error().message(),
            "hooks.createRuntime[1] (/bin/sh): exited with status 3: it is broken");
  EXPECT_EQ(Out(), "one\n");
}

TEST_F(HookTest, OneThatIsNotThereIsNamed) {
  oci::Hook hook = Shell("");
  hook.path = "/nowhere/hook";
  EXPECT_THAT(Failure(hook),
              AllOf(HasSubstr("hooks.prestart[0] (/nowhere/hook)"), HasSubstr("No such file")));
}

TEST_F(HookTest, OneThatHangsIsKilledWithAllItStarted) {
  oci::Hook hook = Shell("sleep 1000 & echo $! > $OUT; sleep 1000");
  hook.timeout = 1;
  EXPECT_THAT(Failure(hook), HasSubstr("did not end within 1 s and was killed"));
  const fs::path started = fs::path("/proc") / std::to_string(std::stoi(Out()));
  // Its parent is gone, and it is reaped by whoever adopts it.
  for (int wait = 0; wait < 100 && fs::exists(started / "exe"); ++wait) usleep(10'000);
  std::error_code gone;
  EXPECT_TRUE(fs::read_symlink(started / "exe", gone).empty());
}

TEST_F(HookTest, EndsWithWhoeverWaitsForIt) {
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe(ends.data()), 0);  // Not close-on-exec: a hook has none of these anyway.
  const pid_t runtime = ::fork();
  ASSERT_GE(runtime, 0);
  if (runtime == 0) {
    const oci::Hook hook = Shell("ls /proc/self/fd > $OUT; echo $$ >> $OUT; exec sleep 1000");
    static_cast<void>(RunHooks(std::vector{hook}, "prestart", state));
    _exit(0);
  }
  ::close(ends[0]);
  ::close(ends[1]);
  std::string said;
  for (int wait = 0; wait < 1000 && std::count(said.begin(), said.end(), '\n') < 5; ++wait) {
    usleep(10'000);
    said = Out();
  }
  // Its own three, and that of the directory which `ls` looks at.
  ASSERT_THAT(said, ::testing::StartsWith("0\n1\n2\n3\n"));
  const fs::path hook = fs::path("/proc") / said.substr(8, said.find('\n', 8) - 8);
  EXPECT_TRUE(fs::exists(hook));
  ::kill(runtime, SIGKILL);
  EXPECT_EQ(::waitpid(runtime, nullptr, 0), runtime);
  std::error_code gone;
  for (int wait = 0; wait < 1000 && fs::exists(hook / "exe", gone); ++wait) usleep(10'000);
  EXPECT_TRUE(fs::read_symlink(hook / "exe", gone).empty());
}

TEST_F(HookTest, WhatItLeavesRunningIsNotWaitedFor) {
  EXPECT_EQ(Failure(Shell("sleep 1 & exit 0")), "it ran");
}

TEST_F(HookTest, EndlessOutputFillsNothing) {
  oci::Hook hook = Shell("yes garbage | head -c 50000000; exit 1");
  EXPECT_THAT(Failure(hook),
              AllOf(HasSubstr("exited with status 1: garbage"), SizeIs(::testing::Lt(5000u))));
}

TEST_F(HookTest, ASignalThatEndsItIsNamed) {
  EXPECT_THAT(Failure(Shell("kill -9 $$")), HasSubstr("was ended by signal 9"));
}

TEST_F(HookTest, EveryHookRunsWhereFailuresDoNotCount) {
  const std::vector<oci::Hook> hooks = {Shell("exit 1"), Shell("echo two >> $OUT")};
  EXPECT_THAT(RunEveryHook(hooks, "poststop", state),
              ElementsAre(HasSubstr("hooks.poststop[0] (/bin/sh): exited with status 1")));
  EXPECT_EQ(Out(), "two\n");
}

}  // namespace
}  // namespace wasmoor::jail
