#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>

#include "inproc/fixture.h"
#include "support/scratch.h"

// Components as guests that are threads: their WASI is the engine's, and everything it does is done
// by that one thread.
namespace wasmoor::sandbox {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kMemory = 32 << 20;

using InprocComponentTest = InprocTest;

TEST_F(InprocComponentTest, RunsAsAThreadWithItsWordsAndItsEnd) {
  Json config = Config({"/args-component.wasm", "one", "two words"});
  config["process"]["env"] = {"GREETING=hello", "EMPTY="};
  const auto [text, status] = RunWith("args", "args-component", config);
  EXPECT_EQ(status, 0u) << text << log_;
  EXPECT_THAT(text, AllOf(HasSubstr("arg 1: one\n"), HasSubstr("arg 2: two words\n"),
                          HasSubstr("env GREETING=hello\n"), HasSubstr("env EMPTY=\n")));
  EXPECT_THAT(RunOnce("greeter", "greeter-component", {"/greeter-component.wasm", "you"}).first,
              HasSubstr("Hello from a component, you!"));
  EXPECT_EQ(RunOnce("fails", "greeter-component", {"/greeter-component.wasm", "fail"}).second, 1u);
  const auto [last, trapped] = RunOnce("trap", "trap-component", {"/trap-component.wasm"});
  EXPECT_EQ(trapped, kTrapped) << last;
  EXPECT_THAT(last, AllOf(HasSubstr("about to trap"), HasSubstr("unreachable")));
  EXPECT_TRUE(processes_->asked.empty());
}

TEST_F(InprocComponentTest, CallsAnExportWithTheArguments) {
  const auto [text, status] =
      RunOnce("calc", "calc-component", {"/calc-component.wasm#add", "2", "40"});
  EXPECT_EQ(status, 0u) << text << log_;
  EXPECT_EQ(text, "42\n");
}

TEST_F(InprocComponentTest, DoesToFilesWhatProgramsDo) {
  const auto [text, status] =
      RunOnce("files", "files-component", {"/files-component.wasm", "/run"});
  EXPECT_EQ(status, 0u) << text << log_;
  EXPECT_THAT(text, HasSubstr("files: all ok"));
  const std::string bundle =
      MakeBundle("walk", "walk-component", Config({"/walk-component.wasm", "/kept"}));
  std::filesystem::create_directories(bundle + "/rootfs/kept/folder");
  test::WriteFile(bundle + "/rootfs/kept/folder/file", "12345");
  for (int i = 0; i < 500; ++i) test::WriteFile(fmt::format("{}/rootfs/kept/n{}", bundle, i), "x");
  const auto [listed, walked] = RunOnce("walk", bundle);
  EXPECT_EQ(walked, 0u) << listed;
  EXPECT_THAT(listed, AllOf(HasSubstr("d 0 "), HasSubstr("f 5 "), HasSubstr("n499")));
  EXPECT_EQ(std::count(listed.begin(), listed.end(), '\n'), 502);
}

TEST_F(InprocComponentTest, IsOneThreadInTheJailOfAModule) {
  Json config = Config({"/sleep-component.wasm"});
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1001}};
  Container* component = Start("jailed", "sleep-component", config);
  ASSERT_NE(component, nullptr);
  ASSERT_TRUE(WaitForOutput("jailed", "sleeping"));
  WaitForThreads();
  const std::string status = test::ReadFile(TaskOf(*component) / "status");
  for (const char* line : {"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                           "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"})
    EXPECT_THAT(status, HasSubstr(line));
  EXPECT_THAT(status, ::testing::ContainsRegex("Uid:\t[0-9]+\t[0-9]+\t[0-9]+\t1000\n"));
  EXPECT_NE(Link(TaskOf(*component) / "ns/mnt"), Link(FolderOfHost() / "ns/mnt"));
  EXPECT_LT(Count(TaskOf(*component) / "fd"), 24u);
}

TEST_F(InprocComponentTest, EndsWhateverItDoes) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    for (const std::string guest : {"loop-component", "sleep-component"}) {
      const std::string id = fmt::format("{}{}", guest, signal);
      Container* container = Start(id, guest, std::vector<std::string>{});
      ASSERT_NE(container, nullptr);
      ASSERT_TRUE(WaitForOutput(id, "ing"));
      EXPECT_EQ(StatusAfter(*container, signal), 128u + static_cast<uint32_t>(signal)) << id;
      EXPECT_TRUE(End(id));
    }
  }
  // Before it has begun.
  auto made =
      Create("early", MakeBundle("early", "loop-component", Config({"/loop-component.wasm"})));
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(StatusAfter(**made, SIGTERM), kTerminated);
}

TEST_F(InprocComponentTest, EndsWhileItWritesToAPipeThatNobodyReads) {
  const std::string bundle =
      MakeBundle("writer", "cat-component", Config({"/cat-component.wasm", "/endless"}));
  test::WriteFile(bundle + "/rootfs/endless", std::string(4 << 20, 'x'));
  Container* writer = StartUnread("writer", bundle);
  ASSERT_NE(writer, nullptr);
  EXPECT_EQ(RunOnce("other", "hello-component", {"/hello-component.wasm"}).second, 0u);
  EXPECT_EQ(writer->first().info().state, State::kRunning);
  EXPECT_EQ(StatusAfter(*writer, SIGTERM), kTerminated);
  ASSERT_TRUE(End("writer"));
}

// Opening it would wait for who writes.
TEST_F(InprocComponentTest, EndsWhileItOpensAFifo) {
  const std::string bundle =
      MakeBundle("reader", "cat-component", Config({"/cat-component.wasm", "/fifo"}));
  ASSERT_EQ(::mkfifo((bundle + "/rootfs/fifo").c_str(), 0666), 0);
  Container* reader = StartUnread("reader", bundle);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(RunOnce("other", "hello-component", {"/hello-component.wasm"}).second, 0u);
  EXPECT_EQ(reader->first().info().state, State::kRunning);
  EXPECT_EQ(StatusAfter(*reader, SIGTERM), kTerminated);
}

TEST_F(InprocComponentTest, IsHeldToItsContainersMemory) {
  Container* other = Start("other", "sleep-component", std::vector<std::string>{});
  ASSERT_NE(other, nullptr);
  const auto config = WithMemory(Config({"/hoard-component.wasm"}), kMemory);
  const auto [text, status] = RunWith("hoard", "hoard-component", config);
  EXPECT_EQ(status, kKilled) << text << log_;
  EXPECT_EQ(listening_.short_of_memory, std::vector<std::string>{"hoard"});
  Container* holds = Start("holds", "hoard-component",
                           WithMemory(Config({"/hoard-component.wasm", "hold"}), kMemory));
  ASSERT_NE(holds, nullptr);
  ASSERT_TRUE(WaitForOutput("holds", "hoards "));
  const uint64_t used = StatsOf(*holds).memory->usage;
  EXPECT_GT(used, kMemory / 2);
  EXPECT_LE(used, kMemory);
  EXPECT_EQ(other->first().info().state, State::kRunning);
}

TEST_F(InprocComponentTest, DoesNotComputeWhileItIsPaused) {
  Container* loop = Start("loop", "loop-component", std::vector<std::string>{});
  ASSERT_NE(loop, nullptr);
  ASSERT_TRUE(WaitForOutput("loop", "looping"));
  const uint64_t paused = TimePaused(*loop);
  ServeFor(milliseconds(200));
  EXPECT_EQ(TimeOf(*loop), paused);
  ASSERT_TRUE(Wait<void>([&](auto done) { loop->Resume(std::move(done)); }));
  EXPECT_TRUE(Until([&] { return TimeOf(*loop) > paused; }));
}

TEST_F(InprocComponentTest, RunsBesideAModuleAndAModuleBesideIt) {
  for (const auto& [first, second] :
       {std::pair("sleep", "hello-component"), std::pair("sleep-component", "hello")}) {
    const std::string id = first;
    Container* container = Start(id, first, std::vector<std::string>{});
    ASSERT_NE(container, nullptr);
    std::filesystem::copy_file(ModuleOf(second), container->bundle() + "/rootfs/second.wasm");
    ExecRequest request = Program("beside", {"/second.wasm"});
    request.streams.output = container->bundle() + "/out";
    Process* beside = StartBeside(*container, std::move(request));
    ASSERT_NE(beside, nullptr);
    EXPECT_EQ(WaitFor(*beside)->status, 0u);
    EXPECT_TRUE(WaitForOutput(id, "ello from wasm!"));
    EXPECT_EQ(container->first().info().state, State::kRunning);
  }
}

TEST_F(InprocComponentTest, ReachesNoFileOfAnother) {
  Container* victim = Start("victim", "sleep-component", std::vector<std::string>{});
  ASSERT_NE(victim, nullptr);
  test::WriteFile(scratch_ / "victim/rootfs/secret", "SECRET of another guest");
  const std::string number = std::to_string(victim->first().info().pid);
  const std::string bundle = MakeBundle(
      "thief", "escape-component",
      Config({"/escape-component.wasm", "60", "/secret", "../secret", "/../victim/rootfs/secret",
              (scratch_ / "victim/rootfs/secret").native(), "/proc/" + number + "/cwd/secret",
              "/proc/self/task/" + number + "/cwd/secret", "/link", "/relative"}));
  std::filesystem::create_symlink(scratch_ / "victim/rootfs/secret", bundle + "/rootfs/link");
  std::filesystem::create_symlink("../../victim/rootfs/secret", bundle + "/rootfs/relative");
  const auto [text, status] = RunOnce("thief", bundle);
  EXPECT_EQ(status, 0u) << text;
  EXPECT_THAT(text, HasSubstr("60 tries, 0 opened, 0 escaped"));
}

TEST_F(InprocComponentTest, IsToldThatItMayHaveNoMoreDescriptors) {
  const auto [text, status] =
      RunOnce("flood", "flood-component", {"/flood-component.wasm", "/flood-component.wasm"});
  EXPECT_EQ(status, 0u) << text;
  EXPECT_THAT(text, HasSubstr("then: "));
  EXPECT_EQ(RunOnce("after", "hello-component", {"/hello-component.wasm"}).second, 0u);
}

TEST_F(InprocComponentTest, LeavesNothingOfThreeHundredAtOnce) {
  const auto run = [&] {
    const auto guests = CreateMany(300, "sleep-component");
    StartAll(guests);
    EXPECT_GE(Threads(), 301u);
    EXPECT_LE(Threads(), 300u + kOwnThreads);
    EndAll(guests);
    WaitForThreads();
  };
  run();
  const HostSize before = SizeOfHost();
  run();
  ExpectNoLarger(before, {.descriptors = 4, .mebibytes = 16, .mappings = 100});
}

// Its WASI opens files by that call only, and what it learns of the kernel it would take for true
// in all guests.
TEST_F(InprocComponentTest, IsLeftToAProcessWhereItsProfileHidesACallThatItNeeds) {
  Json config = Config({"/hello-component.wasm"});
  config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"openat2"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOSYS}}}}};
  EXPECT_FALSE(Create("hidden", MakeBundle("hidden", "hello-component", config)));
  EXPECT_EQ(processes_->asked, std::vector<std::string>{"hidden"});
  EXPECT_EQ(RunOnce("files", "files-component", {"/files-component.wasm", "/run"}).second, 0u);
}

}  // namespace
}  // namespace wasmoor::sandbox
