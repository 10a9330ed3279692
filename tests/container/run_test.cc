#include "container/real_container.h"

// Guests in real containers: what they are given, and how they end.
namespace wasmoor::container {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class RunTest : public RealContainerTest {
 protected:
  // How long a signal may take to end a guest, on a busy machine.
  static constexpr int kPromptSeconds = 10;

  // The status that a running guest ends with by `signal`.
  int EndBy(Running& running, int signal) {
    EXPECT_TRUE(running.created.container.Kill(signal, jail::Whom::kFirstProcess));
    ::alarm(kPromptSeconds);
    const int status = Wait(running.created.first.pid);
    ::alarm(0);
    return status;
  }
};

TEST_F(RunTest, ARootFilesystemNeedsNothingButAFile) {
  const Ran ran = RunGuest("hello");
  EXPECT_EQ(ran.output, "Hello from wasm!\n");
  EXPECT_EQ(ran.status, 0);
}

TEST_F(RunTest, AComponentRunsAsWell) {
  const Ran ran = RunGuest("hello-component");
  EXPECT_EQ(ran.output, "Hello from wasm!\n");
  EXPECT_EQ(ran.status, 0);
  json bare = Guest("hello-component");
  bare["mounts"] = json::array();
  EXPECT_EQ(Run(bare).output, "Hello from wasm!\n");
}

// Their processes are clones of one, and of its random generators as far as that has any.
TEST_F(RunTest, RandomIsAnotherInEachContainer) {
  for (const char* guest : {"random", "random-component"}) {
    json bare = Guest(guest);
    bare["mounts"] = json::array();  // No /dev/urandom either.
    const Ran first = Run(bare), second = Run(bare);
    EXPECT_THAT(first.output, MatchesRegex("[0-9a-f]{64}\n"));
    EXPECT_THAT(second.output, MatchesRegex("[0-9a-f]{64}\n"));
    EXPECT_NE(first.output, second.output) << guest;
  }
}

TEST_F(RunTest, StatusesAreTheGuestsOwn) {
  EXPECT_EQ(RunGuest("exit42").status, 42);
  const Ran trap = RunGuest("trap");
  EXPECT_EQ(trap.status, 134);
  EXPECT_THAT(trap.output, AllOf(HasSubstr("wasmoor: /trap.wasm: trap: "), HasSubstr("innermost")));
  EXPECT_EQ(RunGuest("recurse").status, 134);
  EXPECT_EQ(RunGuest("divide", {"0"}).status, 134);
  EXPECT_EQ(RunGuest("raise", {"15"}).status, 143);
  EXPECT_EQ(RunGuest("trap-component").status, 134);
}

TEST_F(RunTest, ArgumentsAndEnvironmentAreTheSpecifications) {
  json config = Guest("args", {"one", "two words"});
  config["process"]["env"] = {"A=b", "EMPTY=", "X=y=z"};
  EXPECT_EQ(Run(config).output,
            "arg 0: /args.wasm\narg 1: one\narg 2: two words\nenv A=b\nenv EMPTY=\nenv X=y=z\n");
}

TEST_F(RunTest, AnExportIsCalledByName) {
  Put("invoke");
  EXPECT_EQ(Run(Config({"/app.wasm#add", "40", "2"})).output, "42\n");
  EXPECT_EQ(Run(Config({"/app.wasm#crash"})).status, 134);
  const Ran missing = Run(Config({"/app.wasm#nowhere"}));
  EXPECT_THAT(missing.output, HasSubstr("no export 'nowhere'"));
  EXPECT_EQ(missing.status, 126);
  Put("calc-component", "/calc.wasm");
  EXPECT_EQ(Run(Config({"/calc.wasm#add", "40", "2"})).output, "42\n");
  EXPECT_EQ(Run(Config({"/calc.wasm#add(1, 2)"})).output, "3\n");
}

TEST_F(RunTest, TextIsRunAsItIs) {
  PutText("/app.wat", "(module (func (export \"_start\") unreachable))");
  EXPECT_EQ(Run(Config({"/app.wat"})).status, 134);
}

TEST_F(RunTest, FilesWorkInFull) {
  std::filesystem::create_directories(Rootfs("/data"));
  EXPECT_THAT(RunGuest("files", {"/data"}).output, HasSubstr("files: all ok"));
  EXPECT_THAT(RunGuest("files-component", {"/data"}).output, HasSubstr("files: all ok"));
}

TEST_F(RunTest, RelativePathsStartInTheWorkingDirectory) {
  PutText("/data/here.txt", "here\n");
  PutText("/etc/there.txt", "there\n");
  for (const char* guest : {"cat", "cat-component"}) {
    json config = Guest(guest, {"here.txt", "/etc/there.txt", "/data/here.txt"});
    config["process"]["cwd"] = "/data";
    EXPECT_EQ(Run(config).output, "here\nthere\nhere\n") << guest;
  }
  PutText("/top.txt", "top\n");
  EXPECT_EQ(RunGuest("cat", {"top.txt", "/top.txt", "etc/there.txt"}).output, "top\ntop\nthere\n");
}

TEST_F(RunTest, WhoStartsElsewhereIsToldSo) {
  json config = Guest("args");
  config["process"]["cwd"] = "/data";
  EXPECT_THAT(Run(config).output, HasSubstr("env PWD=/data\n"));
  config["process"]["env"] = {"PWD=/other"};
  EXPECT_THAT(Run(config).output, AllOf(HasSubstr("PWD=/other"), Not(HasSubstr("PWD=/data"))));
}

TEST_F(RunTest, ASignalEndsAGuestThatLoopsOrBlocks) {
  const std::vector<std::pair<std::string, std::string>> guests = {{"loop", "looping"},
                                                                   {"sleep", "sleeping"},
                                                                   {"loop-component", "looping"},
                                                                   {"sleep-component", "sleeping"}};
  for (const auto& [guest, word] : guests) {
    Running running = Start(Guest(guest));
    ASSERT_TRUE(running.Says(word)) << guest << ": " << running.heard;
    EXPECT_EQ(EndBy(running, SIGTERM), 143) << guest;
    std::vector<std::string> warnings;
    EXPECT_TRUE(running.created.container.Delete(jail::Force::kNo, &warnings));
  }
}

TEST_F(RunTest, EverySignalThatEndsAProcessEndsAGuest) {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGRTMIN + 3}) {
    Running running = Start(Guest("loop"));
    ASSERT_TRUE(running.Says("looping"));
    EXPECT_EQ(EndBy(running, signal), 128 + signal);
    std::vector<std::string> warnings;
    EXPECT_TRUE(running.created.container.Delete(jail::Force::kNo, &warnings));
  }
}

TEST_F(RunTest, MoreMemoryThanTheContainersIsRefusedAndNotFatal) {
  for (const char* guest : {"grow", "grow-component"}) {
    json config = Guest(guest, {"1000", "touch"});
    config["linux"]["resources"]["memory"]["limit"] = 64 << 20;
    const Ran ran = Run(config);
    EXPECT_EQ(ran.status, 0) << guest << ran.output;
    EXPECT_THAT(ran.output, MatchesRegex("grew by (5[5-9]|6[0-1]) MiB to .*\n")) << guest;
  }
  Put("big_memory");
  json config = Config({"/app.wasm"});
  config["linux"]["resources"]["memory"]["limit"] = 64 << 20;
  const Ran ran = Run(config);
  EXPECT_THAT(ran.output, HasSubstr("/app.wasm"));
  EXPECT_EQ(ran.status, 126);
}

TEST_F(RunTest, AnOperatorsLimitHoldsWhateverTheContainerMayHave) {
  Bound({.memory_bytes = 16 << 20});
  for (const bool limited : {false, true}) {
    json config = Guest("grow", {"1000", "touch"});
    if (limited) config["linux"]["resources"]["memory"]["limit"] = 64 << 20;
    EXPECT_THAT(Run(config).output, MatchesRegex("grew by 1[4-5] MiB to .*\n"));
  }
}

TEST_F(RunTest, TheTerminalIsTheGuests) {
  json config = Guest("terminal");
  config["process"]["terminal"] = true;
  auto created = test::Must(Create(config));
  std::vector<std::string> warnings;
  ASSERT_TRUE(created.container.Start(&warnings));
  EXPECT_EQ(ReadAll(created.first.terminal),
            "stdin is a terminal\r\nstdout is a terminal\r\nstderr is a terminal\r\n");
  EXPECT_EQ(Wait(created.first.pid), 0);
}

TEST_F(RunTest, ItsProcessGoesByItsName) {
  Running running = Start(Guest("sleep", {"100000"}));
  ASSERT_TRUE(running.Says("sleeping"));
  const std::string process = "/proc/" + std::to_string(running.created.first.pid);
  EXPECT_THAT(test::ReadFile(process + "/cmdline"),
              StartsWith(std::string("/sleep.wasm\000100000\0", 19)));
  EXPECT_EQ(test::ReadFile(process + "/comm"), "sleep.wasm\n");
  EXPECT_EQ(EndBy(running, SIGTERM), 143);
}

TEST_F(RunTest, WhatCannotRunFailsTheCreationAndLeavesNothing) {
  json config = Guest("missing_import");
  EXPECT_THAT(Run(config).output, HasSubstr("env.open_the_door"));
  config["process"]["args"] = {"/nothing.wasm"};
  config["annotations"] = {{"run.oci.handler", "wasm"}};
  EXPECT_THAT(Run(config).output, HasSubstr("no such file or directory"));
  EXPECT_TRUE(containers_->List()->empty());
}

TEST_F(RunTest, VolumesAreSeenAndWrittenAndReadOnlyOnesOnlySeen) {
  std::filesystem::create_directories(scratch_ / "volume");
  test::WriteFile(scratch_ / "volume/in.txt", "from outside\n");
  json config = Guest("copy", {"/data/in.txt", "/data/out.txt"});
  json mount = {{"destination", "/data"},
                {"type", "bind"},
                {"source", scratch_ / "volume"},
                {"options", {"rbind", "rw"}}};
  config["mounts"].push_back(mount);
  EXPECT_EQ(Run(config).output, "13 bytes\n");
  EXPECT_EQ(test::ReadFile(scratch_ / "volume/out.txt"), "from outside\n");
  std::filesystem::remove(scratch_ / "volume/out.txt");
  config["mounts"].back()["options"] = {"rbind", "ro"};
  EXPECT_THAT(Run(config).output, HasSubstr("ead-only"));
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "volume/out.txt"));
  // The program itself may be in one.
  Put("hello", "/spare");
  std::filesystem::rename(Rootfs("/spare"), scratch_ / "volume/hello.wasm");
  config["process"]["args"] = {"/data/hello.wasm"};
  EXPECT_EQ(Run(config).output, "Hello from wasm!\n");
}

TEST_F(RunTest, AReadOnlyRootIsReadOnly) {
  PutText("/in.txt", "text");
  json config = Guest("copy", {"/in.txt", "/out.txt"});
  config["root"]["readonly"] = true;
  for (const char* name : {"/proc", "/dev"}) std::filesystem::create_directories(Rootfs(name));
  EXPECT_THAT(Run(config).output, HasSubstr("ead-only"));
  EXPECT_FALSE(std::filesystem::exists(Rootfs("/out.txt")));
}

TEST_F(RunTest, ExecRunsAnotherFileOrExportBesideIt) {
  Running running = Start(Guest("sleep"));
  ASSERT_TRUE(running.Says("sleeping"));
  Put("hello", "/opt/hello.wasm");
  Put("invoke", "/invoke.wasm");
  Put("exit42", "/exit42.wasm");
  EXPECT_EQ(Exec(running, {"/opt/hello.wasm"}).output, "Hello from wasm!\n");
  EXPECT_EQ(Exec(running, {"hello.wasm"}, "/opt").output,
            "exec: \"hello.wasm\": executable file "
            "not found in $PATH: no such file or directory");
  EXPECT_EQ(Exec(running, {"./hello.wasm"}, "/opt").output, "Hello from wasm!\n");
  EXPECT_EQ(Exec(running, {"/invoke.wasm#add", "1", "2"}).output, "3\n");
  EXPECT_EQ(Exec(running, {"/exit42.wasm"}).status, 42);
  std::filesystem::copy_file(kBusybox, Rootfs("/busybox"));
  EXPECT_THAT(Exec(running, {"/busybox", "true"}).output,
              AllOf(HasSubstr("native (ELF)"), HasSubstr("nothing else runs")));
  EXPECT_EQ(EndBy(running, SIGTERM), 143);
}

TEST_F(RunTest, WasmRunsByExecInANativeContainer) {
  std::filesystem::copy_file(kBusybox, Rootfs("/busybox"));
  Running running = Start(Config({"/busybox", "sleep", "100000"}));
  Put("hello");
  EXPECT_EQ(Exec(running, {"/app.wasm"}).output, "Hello from wasm!\n");
  Put("hello-component", "/component.wasm");
  EXPECT_THAT(Exec(running, {"/component.wasm"}).output, HasSubstr("procfs is mounted writable"));
  EXPECT_EQ(EndBy(running, SIGKILL), 137);
}

}  // namespace
}  // namespace wasmoor::container
