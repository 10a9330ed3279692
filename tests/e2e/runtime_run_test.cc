// `wasmoor-runtime run` and `exec`: a container in the foreground, and more processes in it.

#include <csignal>

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class RuntimeRunTest : public RuntimeTest {
 protected:
  Command RunBundle(const fs::path& bundle, std::vector<std::string> options = {}) const {
    std::vector<std::string> words = {"run", "--bundle", bundle};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("c1");
    return Runtime(std::move(words));
  }
  Ended Exec(std::vector<std::string> words) const {
    words.insert(words.begin(), "exec");
    return Do(std::move(words));
  }
};

TEST_F(RuntimeRunTest, TheProgramsOutputAndStatusAreOurs) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"sh", "-c", "cat; echo err >&2; exit 7"});
  EXPECT_THAT(RunBundle(bundle).Input("in\n").Run(),
              AllOf(Ends(7), Prints("in\n"), Complains("err\n")));
  EXPECT_EQ(Do({"list", "-q"}).out, "");
}

TEST_F(RuntimeRunTest, ASignalThatEndsItIsInItsStatus) {
  REQUIRE_CONTAINERS();
  // The first process of a PID namespace has no signal but those from outside (pid_namespaces(7)).
  Json config = Config({"sh", "-c", "kill -SEGV $$"});
  config["linux"]["namespaces"] = Json::parse(R"([{"type": "mount"}])");
  config.erase("hostname");
  EXPECT_THAT(RunBundle(MakeBundle(config)).Run(), Ends(128 + SIGSEGV));
}

TEST_F(RuntimeRunTest, SignalsThatWeGetAreTheContainers) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf(
      {"sh", "-c",
       "trap 'echo hup' HUP; trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"});
  const auto running = RunBundle(bundle).Start();
  ASSERT_TRUE(running->Says("ready"));
  running->Signal(SIGHUP);
  ASSERT_TRUE(running->Says("hup"));
  running->Signal(SIGTERM);
  EXPECT_THAT(running->Wait(), AllOf(Ends(3), IsSilent()));
}

TEST_F(RuntimeRunTest, DetachedItRunsOnAndIsDeletedByHand) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"sleep", "100"});
  ASSERT_THAT(Leaving("c1", {"run", "-d", "--bundle", bundle, "c1"}).Run(), Ends(0));
  EXPECT_EQ(StatusOf("c1"), "running");
}

TEST_F(RuntimeRunTest, KeptItIsThereAfterItsEnd) {
  REQUIRE_CONTAINERS();
  EXPECT_THAT(RunBundle(BundleOf({"sh", "-c", "exit 4"}), {"--keep"}).Run(), Ends(4));
  EXPECT_EQ(StatusOf("c1"), "stopped");
  EXPECT_THAT(Do({"delete", "c1"}), AllOf(Ends(0), IsSilent()));
}

TEST_F(RuntimeRunTest, WhatCannotBeRunLeavesNothing) {
  REQUIRE_CONTAINERS();
  EXPECT_THAT(RunBundle(BundleOf({"nothing"})).Run(),
              AllOf(Ends(1), Complains(HasSubstr("executable file not found in $PATH"))));
  EXPECT_EQ(Do({"list", "-q"}).out, "");
}

TEST_F(RuntimeRunTest, HooksThatFailWhenItIsTooLateAreWarnings) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sh", "-c", "exit 3"});
  for (const char* hook : {"poststart", "poststop"})
    config["hooks"][hook] = Json::array({{{"path", "/bin/false"}}});
  EXPECT_THAT(RunBundle(MakeBundle(config)).Run(),
              AllOf(Ends(3), Complains(AllOf(HasSubstr("warning: hooks.poststart[0] (/bin/false)"),
                                             HasSubstr("warning: hooks.poststop[0]")))));
}

TEST_F(RuntimeRunTest, PreservedDescriptorsAndNoOthersArePassedOn) {
  REQUIRE_CONTAINERS();
  MakeFile("three", "third\n");
  const fs::path bundle =
      BundleOf({"sh", "-c", "cat <&3; if (: <&4) 2>/dev/null; then echo leaked; fi"});
  EXPECT_THAT(Command({"sh", "-euc", "exec \"$@\" 3<\"$0\" 4<\"$0\"", scratch / "three",
                       FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", "--root", root, "run",
                       "--preserve-fds", "1", "--bundle", bundle, "c1"})
                  .Run(),
              AllOf(Ends(0), Prints("third\n"), IsSilent()));
}

TEST_F(RuntimeRunTest, SocketsOfAnActivationArePassedOnFirst) {
  REQUIRE_CONTAINERS();
  MakeFile("three", "third\n");
  MakeFile("four", "fourth\n");
  const fs::path bundle =
      BundleOf({"sh", "-c", "cat <&3; cat <&4; if (: <&5) 2>/dev/null; then echo leaked; fi"});
  EXPECT_THAT(
      Command({"sh", "-euc", "export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\" 3<three 4<four 5<four",
               "sh", FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", "--root", root, "run",
               "--preserve-fds=1", "--bundle", bundle, "c1"})
          .In(scratch)
          .Run(),
      AllOf(Ends(0), Prints("third\nfourth\n"), IsSilent()));
}

TEST_F(RuntimeRunTest, ClosedStandardStreamsAreNobodysFiles) {
  REQUIRE_CONTAINERS();
  EXPECT_THAT(RunBundle(BundleOf({"sh", "-c", "echo lost; exit 5"})).NoStreams().Run(), Ends(5));
}

TEST_F(RuntimeRunTest, AnotherProgramRunsInTheContainer) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  EXPECT_THAT(Exec({"c1", "sh", "-c", "echo $PPID; cat /proc/sys/kernel/hostname; exit 6"}),
              AllOf(Ends(6), Prints("0\ninside\n"), IsSilent()));
  EXPECT_THAT(Exec({"c1", "nothing"}),
              AllOf(Ends(255), Complains(HasSubstr("executable file not found in $PATH"))));
  EXPECT_THAT(Exec({"c1"}), AllOf(Ends(1), Complains(HasSubstr("PROGRAM is missing"))));
}

TEST_F(RuntimeRunTest, OptionsOfExecSayWhoItIsAndWhere) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  EXPECT_THAT(Exec({"--cwd", "/tmp", "--env", "A=1", "-e", "B=2", "--user", "5:6",
                    "--additional-gids", "7", "c1", "sh", "-c", "pwd; id -u; id -G; echo $A$B"}),
              AllOf(Ends(0), Prints("/tmp\n5\n6 7\n12\n"), IsSilent()));
  const auto effective = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"c1", "cat", "/proc/self/status"});
    const std::string status = Exec(words).out;
    const std::string field = "CapEff:\t";
    return status.substr(status.find(field) + field.size(), 16);
  };
  EXPECT_EQ(effective({}), "0000000000000021") << "CHOWN and KILL";
  EXPECT_EQ(effective({"--cap", "CAP_FOWNER"}), "0000000000000029");
  EXPECT_THAT(Exec({"--no-new-privs", "c1", "cat", "/proc/self/status"}),
              Prints(HasSubstr("NoNewPrivs:\t1")));
}

TEST_F(RuntimeRunTest, AProcessMayComeFromADocument) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  const Json process = {{"user", {{"uid", 5}, {"gid", 0}}},
                        {"cwd", "/tmp"},
                        {"args", {"/bin/sh", "-c", "pwd; id -u; exit 9"}}};
  const fs::path file = MakeFile("process.json", process.dump());
  EXPECT_THAT(Exec({"--process", file, "c1"}), AllOf(Ends(9), Prints("/tmp\n5\n"), IsSilent()));
  EXPECT_THAT(Exec({"-p", MakeFile("wrong.json", R"({"args": 1})"), "c1"}),
              AllOf(Ends(255), Complains(AllOf(HasSubstr("wrong.json"), HasSubstr("args")))));
}

TEST_F(RuntimeRunTest, ADetachedProcessIsKnownByItsPidFile) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  ASSERT_THAT(
      Leaving("c1", {"exec", "--detach", "--pid-file", scratch / "pid", "c1", "sleep", "50"}).Run(),
      Ends(0));
  const std::string pid = ReadFile(scratch / "pid");
  EXPECT_EQ(ReadFile("/proc/" + pid + "/cmdline"), std::string("sleep\0"
                                                               "50\0",
                                                               9));
  EXPECT_THAT(Do({"ps", "-f", "json", "c1"}), Prints(HasSubstr(pid)));
}

TEST_F(RuntimeRunTest, AnExecsSignalsAreItsOwn) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  const auto running = Runtime({"exec", "c1", "sh", "-c",
                                "trap 'exit 8' INT; echo ready; while :; do sleep 0.01; done"})
                           .Start();
  ASSERT_TRUE(running->Says("ready"));
  running->Signal(SIGINT);
  EXPECT_THAT(running->Wait(), AllOf(Ends(8), IsSilent()));
  EXPECT_EQ(StatusOf("c1"), "running");
}

TEST_F(RuntimeRunTest, APausedContainerIsExecutedInOnlyIfAskedTo) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  ASSERT_THAT(Do({"pause", "c1"}), Ends(0));
  EXPECT_THAT(Exec({"c1", "true"}),
              AllOf(Ends(255), Complains(HasSubstr("cannot exec in a paused container"))));
  const auto waiting = Runtime({"exec", "--ignore-paused", "c1", "sh", "-c", "exit 4"}).Start();
  ASSERT_THAT(Do({"resume", "c1"}), Ends(0));
  EXPECT_THAT(waiting->Wait(), AllOf(Ends(4), IsSilent()));
  EXPECT_THAT(Exec({"c1", "true"}), AllOf(Ends(0), IsSilent()));
}

TEST_F(RuntimeRunTest, AWasmProgramRunsWithItsArgumentsAndStatus) {
  REQUIRE_CONTAINERS();
  REQUIRE_GUEST("args");
  EXPECT_THAT(RunBundle(MakeWasmBundle("args", {"one", "two"})).Run(),
              AllOf(Ends(0), Prints(AllOf(HasSubstr("arg 1: one\narg 2: two\n"),
                                          HasSubstr("env PATH=/bin")))));
  EXPECT_THAT(RunBundle(MakeWasmBundle("exit42", {}, "second")).Run(), Ends(42));
}

TEST_F(RuntimeRunTest, AWasmProgramEndsWhenItIsAskedTo) {
  REQUIRE_CONTAINERS();
  REQUIRE_GUEST("loop");
  for (const std::string guest : {"loop", "sleep"}) {
    const auto running = RunBundle(MakeWasmBundle(guest, {}, guest)).Start();
    ASSERT_TRUE(running->Says(guest + "ing") || guest == "loop");
    running->Signal(SIGTERM);
    EXPECT_THAT(running->Wait(), Ends(128 + SIGTERM)) << guest;
  }
}

TEST_F(RuntimeRunTest, AnotherModuleRunsInAWasmContainer) {
  REQUIRE_CONTAINERS();
  REQUIRE_GUEST("sleep");
  const fs::path bundle = MakeWasmBundle("sleep", {});
  fs::copy_file(Guest("exit42"), bundle / "rootfs" / "exit42.wasm");
  StartBundle("c1", bundle);
  ASSERT_TRUE(Says("c1", "sleeping"));
  EXPECT_THAT(Exec({"c1", "/exit42.wasm"}), Ends(42));
}

}  // namespace
}  // namespace wasmoor::e2e
