#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>

#include "inproc/fixture.h"
#include "support/scratch.h"

// What guests, their callers and the end of their host do to all others in it.
namespace wasmoor::sandbox {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

using InprocFaultsTest = InprocTest;

TEST_F(InprocFaultsTest, EndsAGuestThatWritesToAPipeThatNobodyReads) {
  const std::string bundle = MakeBundle("writer", "cat", Config({"/cat.wasm", "/endless"}));
  // More than a pipe holds.
  test::WriteFile(bundle + "/rootfs/endless", std::string(4 << 20, 'x'));
  Container* writer = StartUnread("writer", bundle);
  ASSERT_NE(writer, nullptr);
  ExpectOthersLive();
  EXPECT_EQ(writer->first().info().state, State::kRunning);
  EXPECT_EQ(StatusAfter(*writer, SIGTERM), kTerminated);
  ASSERT_TRUE(End("writer"));
  WaitForThreads();
}

// What is said of its end is longer than the pipe is.
TEST_F(InprocFaultsTest, EndsAGuestWhoseLastWordsNobodyReads) {
  const std::string longest(100'000, 'x');
  Container* guest = Start("last", "hello", Config({"/hello.wasm#" + longest}));
  ASSERT_NE(guest, nullptr);
  ExpectOthersLive();
  static_cast<void>(guest->first().Kill(SIGKILL));
  const auto exit = WaitFor(guest->first());
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_NE(exit->status, 0u);
  ASSERT_TRUE(End("last"));
  WaitForThreads();
}

TEST_F(InprocFaultsTest, CarriesAFloodOfOutputPastOtherGuests) {
  const std::string bundle = MakeBundle("flood", "cat", Config({"/cat.wasm", "/much"}));
  test::WriteFile(bundle + "/rootfs/much", std::string(8 << 20, 'x'));
  Container* flood = StartBundle("flood", bundle);
  ASSERT_NE(flood, nullptr);
  ExpectOthersLive();
  size_t got = 0;
  EXPECT_TRUE(Until([&] {
    got += Output("flood").size();
    return flood->first().info().state == State::kStopped;
  }));
  got += Output("flood").size();
  EXPECT_EQ(got, size_t{8} << 20);
  EXPECT_EQ(flood->first().info().exit.status, 0u);
}

TEST_F(InprocFaultsTest, MakesThreeHundredGuestsAtOnceAndKeepsNothingOfThem) {
  ExpectOthersLive("warm");
  EndAll(CreateMany(300, "sleep"));
  ASSERT_TRUE(WaitForThreads());
  const size_t threads = Threads();
  const HostSize before = SizeOfHost();
  const auto guests = CreateMany(300, "sleep");
  EXPECT_EQ(guests.size(), 300u);
  StartAll(guests);
  EXPECT_GE(Threads(), 301u);
  // Each has its own output, and nobody else's; the host's own streams are the first three.
  std::set<std::string> outputs;
  for (Container* one : guests) {
    const auto descriptors = TaskOf(*one) / "fd";
    std::set<std::string> pipes;
    for (const auto& entry : std::filesystem::directory_iterator(descriptors)) {
      if (std::stoi(entry.path().filename()) < 3) continue;
      const std::string target = Link(entry.path());
      if (target.starts_with("pipe:")) pipes.insert(target);
    }
    ASSERT_EQ(pipes.size(), 1u) << one->id();
    ASSERT_TRUE(outputs.insert(*pipes.begin()).second) << one->id();
    ASSERT_LT(Count(descriptors), 24u) << one->id();
  }
  EndAll(guests);
  WaitForThreads(threads);
  ExpectNoLarger(before, {.descriptors = 4, .mebibytes = 8, .mappings = 100});
}

TEST_F(InprocFaultsTest, KeepsNothingOfTwoThousandGuestsOneAfterAnother) {
  constexpr int kWarm = 200, kMany = 2000;
  const std::string bundle = MakeBundle("hello", "hello", Config({"/hello.wasm"}));
  const auto run = [&](int many) {
    for (int i = 0; i < many; ++i) {
      const auto [text, status] = RunOnce("hello", bundle);
      ASSERT_EQ(status, 0u) << i << text;
      ASSERT_THAT(text, HasSubstr("ello")) << i;
    }
  };
  run(kWarm);
  ASSERT_TRUE(WaitForThreads());
  const size_t threads = Threads();
  const HostSize before = SizeOfHost();
  const size_t own = Count("/proc/self/fd");
  run(kMany);
  WaitForThreads(threads);
  ExpectNoLarger(before, {.descriptors = 4, .mebibytes = 4, .mappings = 100});
  EXPECT_LE(Count("/proc/self/fd"), own + 4);
}

TEST_F(InprocFaultsTest, EndsAllGuestsOfAHostThatIsKilledAndServesOnWithAnother) {
  Json config = Config({"/loop.wasm"});
  config["linux"]["resources"]["cpu"] = {{"shares", 512}};
  config["linux"]["cgroupsPath"] = "/wasmoor-inproc-faults";
  Container* grouped = Start("grouped", "loop", config);
  ASSERT_NE(grouped, nullptr);
  auto guests = CreateMany(40, "sleep");
  StartAll(guests);
  guests.push_back(grouped);
  const pid_t first = host();
  // Others are being made meanwhile.
  int answers = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string id = "late" + std::to_string(i);
    CreateRequest request{
        .id = id, .bundle = MakeBundle(id, "hello", Config({"/hello.wasm"})), .streams = {}};
    sandbox_->Create(std::move(request), [&](const Result<Container*>&) { ++answers; });
  }
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  for (Container* one : guests) {
    const auto exit = WaitFor(one->first());
    ASSERT_TRUE(exit) << one->id() << exit.error().message();
    EXPECT_EQ(exit->status, kKilled) << one->id() << test::ReadFile(one->bundle() + "/log");
  }
  EXPECT_TRUE(Until([&] { return answers == 20; }));
  EXPECT_THAT(log_, HasSubstr("has died"));
  ExpectOthersLive();
  EXPECT_NE(host(), first);
  for (Container* one : guests) EXPECT_TRUE(End(one->id()));
  EXPECT_EQ(::waitpid(first, nullptr, 0), first);
  for (const char* controller : {"cpu", "cpuset", "cpuacct"})
    EXPECT_FALSE(std::filesystem::exists(std::string("/sys/fs/cgroup/") + controller +
                                         "/wasmoor-inproc-faults"));
}

// The pod's end and its container's, asked for by two callers.
TEST_F(InprocFaultsTest, TakesAContainerThatIsRemovedTwiceAndAskedAboutMeanwhile) {
  const auto another = MakeSandbox("another");
  for (int i = 0; i < 20; ++i) {
    const std::string id = "twice" + std::to_string(i);
    Container* container = Start(id, "sleep", std::vector<std::string>{});
    ASSERT_NE(container, nullptr);
    const pid_t before = host();
    ASSERT_TRUE(container->first().Kill(SIGKILL));
    ASSERT_TRUE(WaitFor(container->first()));
    int told = 0;
    sandbox_->Remove(id, "", [](const Result<Exit>&) {});
    container->ReadStats([&](const Result<cgroup::Stats>&) { ++told; });
    static_cast<void>(container->Update({}));
    if (i % 2 == 0) {
      EXPECT_TRUE(Until([&] { return told == 1; })) << "nobody answers for the statistics";
    } else {
      sandbox_ = MakeSandbox("pod");
    }
    EXPECT_EQ(host(), before);
  }
  ExpectOthersLive();
  WaitForThreads();
}

// The kernel gives numbers of threads again; here at once, by the number that it is told to be the
// last (proc(5)).
TEST_F(InprocFaultsTest, RemovesAGuestWhoseThreadsNumberIsAnothersByNow) {
  constexpr const char* kLast = "/proc/sys/kernel/ns_last_pid";
  if (::access(kLast, W_OK) != 0) GTEST_SKIP() << "needs " << kLast;
  bool met = false;
  for (int i = 0; i < 50 && !met; ++i) {
    const std::string ended = "ended" + std::to_string(i), next = "next" + std::to_string(i);
    Container* one = Start(ended, "hello", std::vector<std::string>{});
    ASSERT_NE(one, nullptr);
    ASSERT_TRUE(WaitFor(one->first()));
    ASSERT_TRUE(WaitForThreads(kOwnThreads - 1));
    test::WriteFile(kLast, std::to_string(one->first().info().pid - 1));
    Container* other = Start(next, "sleep", std::vector<std::string>{});
    ASSERT_NE(other, nullptr);
    met = other->first().info().pid == one->first().info().pid;
    const auto removed = End(ended);
    EXPECT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(other->first().info().state, State::kRunning);
    ASSERT_TRUE(End(next));
  }
  if (!met) GTEST_SKIP() << "no number came twice";
}

TEST_F(InprocFaultsTest, LeavesNoGuestOfAPodThatEndsWhileItIsMade) {
  ExpectOthersLive("warm");
  ASSERT_TRUE(WaitForThreads());
  const pid_t before = host();
  for (int i = 0; i < 30; ++i) {
    const std::string id = "unwanted" + std::to_string(i);
    // Some of a module that has to be compiled first.
    const std::string guest = i % 3 == 0 ? "sieve" : "sleep";
    CreateRequest request{
        .id = id, .bundle = MakeBundle(id, guest, Config({"/" + guest + ".wasm"})), .streams = {}};
    sandbox_->Create(std::move(request), [](const Result<Container*>&) {});
  }
  sandbox_ = MakeSandbox("pod");
  ExpectOthersLive();
  WaitForThreads();
  EXPECT_EQ(host(), before);
}

TEST_F(InprocFaultsTest, AnswersWordsThatAreLongerThanAMessage) {
  Container* other = Start("other", "sleep", std::vector<std::string>{});
  ASSERT_NE(other, nullptr);
  const pid_t before = host();
  const std::string longest(120'000, 'x');
  const auto path = Create("path", MakeBundle("path", "hello", Config({"/" + longest})));
  EXPECT_FALSE(path);
  std::string deep;
  for (int i = 0; i < 30'000; ++i) deep += "/d\xc3\xbc";
  const auto nested = Create("deep", MakeBundle("deep", "hello", Config({deep})));
  EXPECT_FALSE(nested);
  const auto exec = other->AddProcess(Program("huge", {"/sleep.wasm", std::string(6 << 20, 'y')}));
  ASSERT_TRUE(exec);
  EXPECT_FALSE(Wait<pid_t>([&](auto done) { (*exec)->Start(std::move(done)); }));
  EXPECT_EQ(other->first().info().state, State::kRunning);
  EXPECT_EQ(host(), before);
  ExpectOthersLive();
}

TEST_F(InprocFaultsTest, RunsASecondModuleBesideTheFirst) {
  Container* container = Start("two", "sleep", std::vector<std::string>{});
  ASSERT_NE(container, nullptr);
  const auto run = [&](const std::string& id, const std::string& guest) {
    const std::string file = guest + ".wasm";
    std::filesystem::copy_file(ModuleOf(guest), scratch_ / "two/rootfs" / file);
    ExecRequest request = Program(id, {"/" + file});
    request.process.user.uid = 77;
    return StartBeside(*container, std::move(request));
  };
  Process* ends = run("ends", "exit42");
  ASSERT_NE(ends, nullptr);
  auto exit = WaitFor(*ends);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->status, 42u);
  EXPECT_EQ(container->first().info().state, State::kRunning);
  EXPECT_TRUE(Wait<Exit>([&](auto done) { sandbox_->Remove("two", "ends", std::move(done)); }));

  Process* stays = run("stays", "loop");
  ASSERT_NE(stays, nullptr);
  const auto task = TaskOf(stays->info().pid);
  EXPECT_EQ(Link(task / "ns/mnt"), Link(TaskOf(*container) / "ns/mnt"));
  EXPECT_THAT(test::ReadFile(task / "status"), ContainsRegex("Uid:\t[0-9]+\t[0-9]+\t[0-9]+\t77\n"));
  // It ends with its container.
  ASSERT_TRUE(container->first().Kill(SIGTERM));
  exit = WaitFor(*stays);
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status, kKilled);
  EXPECT_TRUE(End("two"));
  WaitForThreads();
}

}  // namespace
}  // namespace wasmoor::sandbox
