#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "inproc/fixture.h"
#include "support/scratch.h"

// What guests, their callers and the end of their host do to all others in it.
namespace wasmoor::sandbox {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint32_t kKilled = 128 + SIGKILL;

class InprocFaultsTest : public InprocTest {
 protected:
  struct Size {
    size_t threads = 0, descriptors = 0, mebibytes = 0, mappings = 0;
  };
  static size_t Count(const std::string& directory) {
    const std::filesystem::directory_iterator all(directory);
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }
  Size SizeOfHost() const {
    const std::string place = fmt::format("/proc/{}/", host());
    const std::string maps = test::ReadFile(place + "maps");
    const std::string memory = test::ReadFile(place + "smaps_rollup");
    const auto private_dirty = memory.find("Private_Dirty:");
    return {.threads = Count(place + "task"),
            .descriptors = Count(place + "fd"),
            .mebibytes = std::stoul(memory.substr(private_dirty + 14)) >> 10,
            .mappings = static_cast<size_t>(std::count(maps.begin(), maps.end(), '\n'))};
  }
  bool WaitForThreads(size_t most) {
    return Until([&] { return SizeOfHost().threads <= most; });
  }
  void ExpectOthersLive(const std::string& id = "after") {
    const auto [text, status] = RunOnce(id, "hello", {"/hello.wasm"});
    EXPECT_EQ(status, 0u) << text << log_;
    EXPECT_THAT(text, HasSubstr("ello"));
  }
  // Asked for all at once; how many came to be.
  std::vector<Container*> CreateMany(int many, const std::string& guest) {
    std::vector<Container*> made;
    int answers = 0;
    for (int i = 0; i < many; ++i) {
      const std::string id = guest + std::to_string(i);
      const std::string bundle = MakeBundle(id, guest, Config({"/" + guest + ".wasm"}));
      CreateRequest request{.id = id, .bundle = bundle, .streams = {}};
      // Descriptors go with each order that way.
      request.streams.output = request.streams.error = "file://" + bundle + "/log";
      sandbox_->Create(std::move(request), [&](Result<Container*> created) {
        ++answers;
        EXPECT_TRUE(created) << created.error().message();
        if (created) made.push_back(*created);
      });
    }
    EXPECT_TRUE(Until([&] { return answers == many; }));
    return made;
  }
  void StartAll(const std::vector<Container*>& containers) {
    size_t answers = 0;
    for (Container* one : containers) {
      one->first().Start([&](Result<pid_t> started) {
        ++answers;
        EXPECT_TRUE(started) << started.error().message();
      });
    }
    EXPECT_TRUE(Until([&] { return answers == containers.size(); }));
  }
  void EndAll(const std::vector<Container*>& containers) {
    for (Container* one : containers) static_cast<void>(one->KillAll(SIGKILL));
    const auto has_ended = [](Container* one) {
      return one->first().info().state == State::kStopped;
    };
    EXPECT_TRUE(
        Until([&] { return std::all_of(containers.begin(), containers.end(), has_ended); }));
    size_t answers = 0;
    for (Container* one : containers) {
      sandbox_->Remove(one->id(), "", [&](const Result<Exit>& removed) {
        ++answers;
        EXPECT_TRUE(removed);
      });
    }
    EXPECT_TRUE(Until([&] { return answers == containers.size(); }));
  }
};

TEST_F(InprocFaultsTest, EndsAGuestThatWritesToAPipeThatNobodyReads) {
  Json config = Config({"/cat.wasm", "/endless"});
  config["linux"]["devices"] = Json::array();
  const std::string bundle = MakeBundle("writer", "cat", config);
  // More than a pipe holds.
  test::WriteFile(bundle + "/rootfs/endless", std::string(4 << 20, 'x'));
  auto made = Create("writer", bundle);
  ASSERT_TRUE(made) << made.error().message();
  Process& process = (*made)->first();
  ASSERT_TRUE(Wait<pid_t>([&](auto done) { process.Start(std::move(done)); }));
  ExpectOthersLive();
  EXPECT_EQ(process.info().state, State::kRunning);
  ASSERT_TRUE(process.Kill(SIGTERM));
  const auto exit = WaitFor(process);
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status, 128u + SIGTERM);
  ASSERT_TRUE(End("writer"));
  EXPECT_TRUE(WaitForThreads(3));
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
  EXPECT_TRUE(WaitForThreads(3));
}

TEST_F(InprocFaultsTest, CarriesAFloodOfOutputPastOtherGuests) {
  const std::string bundle = MakeBundle("flood", "cat", Config({"/cat.wasm", "/much"}));
  test::WriteFile(bundle + "/rootfs/much", std::string(8 << 20, 'x'));
  const auto [text, status] = [&] {
    size_t got = 0;
    const int reader = ::open((bundle + "/out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    Container* container = *Create("flood", bundle);
    EXPECT_TRUE(Wait<pid_t>([&](auto done) { container->first().Start(std::move(done)); }));
    ExpectOthersLive();
    std::string part(1 << 16, '\0');
    EXPECT_TRUE(Until([&] {
      for (ssize_t read = 0; (read = ::read(reader, part.data(), part.size())) > 0;)
        got += static_cast<size_t>(read);
      return container->first().info().state == State::kStopped;
    }));
    for (ssize_t read = 0; (read = ::read(reader, part.data(), part.size())) > 0;)
      got += static_cast<size_t>(read);
    ::close(reader);
    return std::pair(got, container->first().info().exit.status);
  }();
  EXPECT_EQ(text, size_t{8} << 20);
  EXPECT_EQ(status, 0u);
}

TEST_F(InprocFaultsTest, MakesThreeHundredGuestsAtOnceAndKeepsNothingOfThem) {
  ExpectOthersLive("warm");
  EndAll(CreateMany(300, "sleep"));
  for (int i = 0; i < 300; ++i)
    std::filesystem::remove_all(scratch_ / ("sleep" + std::to_string(i)));
  ASSERT_TRUE(WaitForThreads(3));
  const Size before = SizeOfHost();
  const auto guests = CreateMany(300, "sleep");
  EXPECT_EQ(guests.size(), 300u);
  StartAll(guests);
  EXPECT_GE(SizeOfHost().threads, 301u);
  // Each has its own output, and nobody else's.
  for (Container* one : guests) {
    const auto descriptors = fmt::format("/proc/{}/task/{}/fd", host(), one->first().info().pid);
    int others = 0;
    for (const auto& entry : std::filesystem::directory_iterator(descriptors)) {
      std::error_code ignored;
      const auto target = std::filesystem::read_symlink(entry.path(), ignored).native();
      if (target.starts_with(scratch_.native()) && !target.starts_with(one->bundle() + "/"))
        ++others;
    }
    ASSERT_EQ(others, 0) << one->id();
    ASSERT_LT(Count(descriptors), 24u) << one->id();
  }
  EndAll(guests);
  EXPECT_TRUE(WaitForThreads(before.threads));
  const Size after = SizeOfHost();
  EXPECT_LE(after.descriptors, before.descriptors + 4);
  EXPECT_LE(after.mappings, before.mappings + 100);
  EXPECT_LE(after.mebibytes, before.mebibytes + 8);
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
  ASSERT_TRUE(WaitForThreads(3));
  const Size before = SizeOfHost();
  const size_t own = Count("/proc/self/fd");
  run(kMany);
  EXPECT_TRUE(WaitForThreads(before.threads));
  const Size after = SizeOfHost();
  EXPECT_LE(after.descriptors, before.descriptors + 4);
  EXPECT_LE(after.mappings, before.mappings + 100);
  EXPECT_LE(after.mebibytes, before.mebibytes + 4);
  EXPECT_LE(Count("/proc/self/fd"), own + 4);
}

TEST_F(InprocFaultsTest, EndsAllGuestsOfAHostThatIsKilledAndServesOnWithAnother) {
  Json config = Config({"/loop.wasm"});
  config["linux"]["resources"]["cpu"] = {{"shares", 512}};
  config["linux"]["cgroupsPath"] = "/wasmoor-inproc-faults";
  Container* grouped = Start("grouped", "loop", config);
  auto guests = CreateMany(40, "sleep");
  StartAll(guests);
  guests.push_back(grouped);
  ASSERT_NE(grouped, nullptr);
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
  EXPECT_TRUE(WaitForThreads(3));
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
    ASSERT_TRUE(WaitForThreads(2));
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
  ASSERT_TRUE(WaitForThreads(3));
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
  EXPECT_TRUE(WaitForThreads(3));
  EXPECT_EQ(host(), before);
}

TEST_F(InprocFaultsTest, AnswersWordsThatAreLongerThanAMessage) {
  Container* other = Start("other", "sleep", std::vector<std::string>{});
  ASSERT_NE(other, nullptr);
  const pid_t before = host();
  const std::string longest(120'000, 'x');
  const auto path = Create("path", MakeBundle("path", "hello", Config({"/" + longest})));
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().code(), Code::kDeadlineExceeded) << path.error().message();
  std::string deep;
  for (int i = 0; i < 30'000; ++i) deep += "/d\xc3\xbc";
  const auto nested = Create("deep", MakeBundle("deep", "hello", Config({deep})));
  ASSERT_FALSE(nested);
  EXPECT_NE(nested.error().code(), Code::kDeadlineExceeded) << nested.error().message();
  ExecRequest request{.exec_id = "huge", .process = {}, .streams = {}};
  request.process.cwd = "/";
  request.process.args = {"/sleep.wasm", std::string(6 << 20, 'y')};
  const auto exec = other->AddProcess(std::move(request));
  ASSERT_TRUE(exec);
  const auto started = Wait<pid_t>([&](auto done) { (*exec)->Start(std::move(done)); });
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().code(), Code::kDeadlineExceeded) << started.error().message();
  EXPECT_EQ(other->first().info().state, State::kRunning);
  EXPECT_EQ(host(), before);
  ExpectOthersLive();
}

TEST_F(InprocFaultsTest, RunsASecondModuleBesideTheFirst) {
  Container* container = Start("two", "sleep", std::vector<std::string>{});
  ASSERT_NE(container, nullptr);
  std::filesystem::copy_file(std::filesystem::path(std::getenv("WASMOOR_GUESTS")) / "exit42.wasm",
                             scratch_ / "two/rootfs/exit42.wasm");
  std::filesystem::copy_file(std::filesystem::path(std::getenv("WASMOOR_GUESTS")) / "loop.wasm",
                             scratch_ / "two/rootfs/loop.wasm");
  const auto exec = [&](const std::string& id, const std::string& program) -> Process* {
    ExecRequest request{.exec_id = id, .process = {}, .streams = {}};
    request.process.cwd = "/";
    request.process.args = {program};
    request.process.user.uid = 77;
    auto added = container->AddProcess(std::move(request));
    EXPECT_TRUE(added) << added.error().message();
    const auto started = Wait<pid_t>([&](auto done) { (*added)->Start(std::move(done)); });
    EXPECT_TRUE(started) << started.error().message();
    return *added;
  };
  Process* ends = exec("ends", "/exit42.wasm");
  auto exit = WaitFor(*ends);
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->status, 42u);
  EXPECT_EQ(container->first().info().state, State::kRunning);
  EXPECT_TRUE(Wait<Exit>([&](auto done) { sandbox_->Remove("two", "ends", std::move(done)); }));

  Process* stays = exec("stays", "/loop.wasm");
  const auto place = [&](Process& one) {
    return fmt::format("/proc/{}/task/{}/", host(), one.info().pid);
  };
  EXPECT_EQ(std::filesystem::read_symlink(place(*stays) + "ns/mnt"),
            std::filesystem::read_symlink(place(container->first()) + "ns/mnt"));
  EXPECT_THAT(test::ReadFile(place(*stays) + "status"),
              ContainsRegex("Uid:\t[0-9]+\t[0-9]+\t[0-9]+\t77\n"));
  // It ends with its container.
  ASSERT_TRUE(container->first().Kill(SIGTERM));
  exit = WaitFor(*stays);
  ASSERT_TRUE(exit) << exit.error().message();
  EXPECT_EQ(exit->status, kKilled);
  EXPECT_TRUE(End("two"));
  EXPECT_TRUE(WaitForThreads(3));
}

}  // namespace
}  // namespace wasmoor::sandbox
