#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "inproc/fixture.h"
#include "support/scratch.h"

// What a guest that is a thread may have of the machine, and that taking all of it harms nobody.
namespace wasmoor::sandbox {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kGroups = "/sys/fs/cgroup";
constexpr const char* kPod = "/wasmoor-inproc-limits";

// A pod whose group has used that much.
class GroupOfPod : public Pod {
 public:
  static constexpr uint64_t kMemory = 1000, kTime = 2000;
  Status Create(PodRequest) override { return {}; }
  void Start(Done<PodInfo>) override {}
  void Stop(Done<void>) override {}
  void Wait(Done<Exit>) override {}
  PodInfo info() const override { return {}; }
  void ReadStats(Done<cgroup::Stats> done) override {
    done(cgroup::Stats{.cpu = cgroup::CpuStats{.usage_ns = kTime},
                       .memory = cgroup::MemoryStats{.usage = kMemory}});
  }
};

class InprocLimitsTest : public InprocTest {
 protected:
  void TearDown() override {
    InprocTest::TearDown();
    // A guest's own group goes with its container; those above are the kubelet's, so this test's.
    for (const char* controller : {"cpu", "memory", "cpuset", "cpuacct"}) {
      const std::string pod = std::string(kGroups) + "/" + controller + kPod;
      EXPECT_TRUE(::rmdir(pod.c_str()) == 0 || errno == ENOENT) << pod << ": " << strerror(errno);
    }
  }
  static bool HasGroupsOfV1(const char* controller) {
    return std::filesystem::exists(std::string(kGroups) + "/" + controller + "/tasks");
  }
  static Json WithCpu(Json config, int64_t quota, const std::string& path) {
    config["linux"]["resources"]["cpu"] = {{"quota", quota}, {"period", 100000}};
    config["linux"]["cgroupsPath"] = path;
    return config;
  }
};

TEST_F(InprocLimitsTest, TellsAGuestThatMayHaveNoMoreDescriptors) {
  Container* other = Start("other", "sleep", std::vector<std::string>{});
  const pid_t before = host();
  const auto [text, status] = RunOnce("flood", "flood", {"/flood.wasm", "/flood.wasm"});
  EXPECT_EQ(status, 0u) << text;
  EXPECT_THAT(text, HasSubstr("then: No file descriptors available"));
  EXPECT_THAT(text, HasSubstr("and one more after a close"));
  Json config = Config({"/flood.wasm", "/flood.wasm"});
  config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 20}, {"hard", 20}}};
  const auto [limited, ended] = RunWith("limited", "flood", config);
  EXPECT_THAT(limited, HasSubstr("opened 16, then: No file descriptors available")) << ended;
  ExpectOthersLive();
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->first().info().state, State::kRunning);
  EXPECT_EQ(host(), before);
}

TEST_F(InprocLimitsTest, HoldsManyGuestsThatHaveAllDescriptorsTheyCan) {
  for (int i = 0; i < 12; ++i) {
    const std::string id = "flood" + std::to_string(i);
    ASSERT_NE(Start(id, "flood", Config({"/flood.wasm", "/flood.wasm", "hold"})), nullptr);
    ASSERT_TRUE(WaitForOutput(id, "then: No file descriptors available\n")) << id;
    EXPECT_THAT(Output(id), StartsWith("opened 4"));
  }
  ExpectOthersLive();
}

TEST_F(InprocLimitsTest, EndsAGuestThatNeedsMoreMemoryThanItsContainerHas) {
  Container* other = Start("other", "sleep", std::vector<std::string>{});
  const auto config = WithMemory(Config({"/hoard.wasm"}), 32 << 20);
  const auto [text, status] = RunWith("hoard", "hoard", config);
  EXPECT_EQ(status, kKilled) << text << log_;
  EXPECT_EQ(listening_.short_of_memory, std::vector<std::string>{"hoard"});
  EXPECT_THAT(text, HasSubstr("out of memory"));
  ExpectOthersLive();
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->first().info().state, State::kRunning);
}

TEST_F(InprocLimitsTest, LivesWithAGuestThatStaysAtItsLimit) {
  const auto config = WithMemory(Config({"/hoard.wasm", "hold"}), 32 << 20);
  Container* hoard = Start("hoard", "hoard", config);
  ASSERT_NE(hoard, nullptr);
  ASSERT_TRUE(WaitForOutput("hoard", "hoards "));
  ASSERT_TRUE(Until([&] { return StatsOf(*hoard).memory->failures > 20; }));
  EXPECT_EQ(hoard->first().info().state, State::kRunning);
  const auto stats = StatsOf(*hoard);
  EXPECT_EQ(stats.memory->limit, 32u << 20);
  EXPECT_GT(stats.memory->usage, 20u << 20);
  EXPECT_LE(stats.memory->usage, 32u << 20);
  ExpectOthersLive();
  // What is allowed later, it gets.
  oci::Resources more;
  more.memory.emplace().limit = 64 << 20;
  ASSERT_TRUE(hoard->Update(more));
  EXPECT_TRUE(Until([&] { return StatsOf(*hoard).memory->usage > (40u << 20); }));
}

TEST_F(InprocLimitsTest, HoldsAllGuestsOfAPodToTheGroupAboveThem) {
  if (!HasGroupsOfV1("memory")) GTEST_SKIP() << "needs control groups v1 for memory";
  const std::string pod = std::string(kGroups) + "/memory" + kPod;
  ASSERT_EQ(::mkdir(pod.c_str(), 0755), 0);
  test::WriteFile(pod + "/memory.limit_in_bytes", std::to_string(48 << 20));
  Json config = Config({"/hoard.wasm", "hold"});
  config["linux"]["cgroupsPath"] = std::string(kPod) + "/one";
  Container* one = Start("one", "hoard", config);
  ASSERT_NE(one, nullptr);
  ASSERT_TRUE(WaitForOutput("one", "hoards "));
  config["linux"]["cgroupsPath"] = std::string(kPod) + "/two";
  Container* two = Start("two", "hoard", config);
  ASSERT_NE(two, nullptr);
  ASSERT_TRUE(WaitForOutput("two", "hoards "));
  const uint64_t sum = StatsOf(*one).memory->usage + StatsOf(*two).memory->usage;
  EXPECT_GT(sum, 24u << 20);
  EXPECT_LE(sum, 48u << 20);
  // Another pod has its own.
  const auto others = MakeSandbox("another");
  ExpectOthersLive();
  // What one leaves is the other's to have.
  ASSERT_TRUE(End("one"));
  EXPECT_TRUE(Until([&] { return StatsOf(*two).memory->usage > (32u << 20); }));
}

TEST_F(InprocLimitsTest, LetsNoStackNoTableAndNoHugeMemoryHarmTheHost) {
  Container* other = Start("other", "sleep", std::vector<std::string>{});
  const pid_t before = host();
  const auto [text, status] = RunOnce("deep", "recurse", {"/recurse.wasm"});
  EXPECT_EQ(status, kTrapped) << text;
  EXPECT_THAT(text, HasSubstr("stack"));
  const auto config = WithMemory(Config({"/big_table.wasm"}), 64 << 20);
  EXPECT_EQ(RunWith("table", "big_table", config).second, 0u);
  const auto huge = WithMemory(Config({"/big_memory.wasm"}), 64 << 20);
  const auto [why, refused] = RunWith("huge", "big_memory", huge);
  EXPECT_EQ(refused, 126u);
  EXPECT_THAT(why, HasSubstr("memory"));
  ExpectOthersLive();
  EXPECT_EQ(host(), before);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->first().info().state, State::kRunning);
}

TEST_F(InprocLimitsTest, PutsTheThreadAloneIntoItsGroupOfCpuTime) {
  if (!HasGroupsOfV1("cpu")) GTEST_SKIP() << "needs control groups v1 for CPU time";
  const std::string path = std::string(kPod) + "/spinner";
  Container* spinner = Start("spinner", "loop", WithCpu(Config({"/loop.wasm"}), 20000, path));
  ASSERT_NE(spinner, nullptr);
  const std::string group = std::string(kGroups) + "/cpu" + path;
  EXPECT_EQ(test::ReadFile(group + "/tasks"), std::to_string(spinner->first().info().pid) + "\n");
  EXPECT_EQ(test::ReadFile(group + "/cpu.cfs_quota_us"), "20000\n");
  oci::Resources less;
  less.cpu.emplace().quota = 10000;
  ASSERT_TRUE(spinner->Update(less));
  EXPECT_TRUE(Until([&] { return test::ReadFile(group + "/cpu.cfs_quota_us") == "10000\n"; }));
  EXPECT_TRUE(Until([&] { return StatsOf(*spinner).cpu->throttled_periods > 2; }));
  ASSERT_TRUE(End("spinner"));
  EXPECT_FALSE(std::filesystem::exists(group));
}

// As where control groups are read-only: here, where the path is one of systemd's.
TEST_F(InprocLimitsTest, HoldsAGuestToItsQuotaByTheClock) {
  const auto config = WithCpu(Config({"/loop.wasm"}), 10000, "system.slice:wasmoor:spinner");
  Container* spinner = Start("spinner", "loop", config);
  ASSERT_NE(spinner, nullptr);
  ASSERT_TRUE(Until([&] { return StatsOf(*spinner).cpu->throttled_periods > 5; }));
  const uint64_t before = TimeOf(*spinner);
  const auto begin = std::chrono::steady_clock::now();
  ServeFor(milliseconds(1500));
  const uint64_t used = TimeOf(*spinner) - before;
  const auto passed = static_cast<uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count());
  EXPECT_LT(used, passed / 3) << "a tenth was allowed";
  EXPECT_GT(StatsOf(*spinner).cpu->throttled_ns, 0u);
  // A guest that sleeps off what it owes is ended all the same.
  ASSERT_TRUE(End("spinner"));
}

TEST_F(InprocLimitsTest, StopsTheTimeOfAGuestThatIsPaused) {
  Container* spinner = Start("spinner", "loop", std::vector<std::string>{});
  ASSERT_NE(spinner, nullptr);
  ASSERT_TRUE(WaitForOutput("spinner", "looping"));
  ASSERT_TRUE(Until([&, first = TimeOf(*spinner)] { return TimeOf(*spinner) > first; }));
  const uint64_t last = TimePaused(*spinner);
  ServeFor(milliseconds(200));
  EXPECT_EQ(TimeOf(*spinner), last);
  EXPECT_FALSE(Wait<void>([&](auto done) { spinner->Pause(std::move(done)); }));
  ASSERT_TRUE(Wait<void>([&](auto done) { spinner->Resume(std::move(done)); }));
  EXPECT_TRUE(Until([&] { return TimeOf(*spinner) > last; }));
  // A paused one can be killed.
  ASSERT_TRUE(Wait<void>([&](auto done) { spinner->Pause(std::move(done)); }));
  EXPECT_EQ(StatusAfter(*spinner, SIGKILL), kKilled);
}

TEST_F(InprocLimitsTest, CountsItsGuestsForThePod) {
  const auto pod = CountGuests(std::make_unique<GroupOfPod>(), *sandbox_);
  const auto of_pod = [&] {
    auto stats = Wait<cgroup::Stats>([&](auto done) { pod->ReadStats(std::move(done)); });
    EXPECT_TRUE(stats) << stats.error().message();
    return *std::move(stats);
  };
  EXPECT_EQ(of_pod().memory->usage, GroupOfPod::kMemory);
  Container* one = Start("one", "loop", Config({"/loop.wasm"}));
  Container* other = Start("other", "sleep", Config({"/sleep.wasm"}));
  ASSERT_TRUE(one != nullptr && other != nullptr);
  ASSERT_TRUE(WaitForOutput("one", "looping") && WaitForOutput("other", "sleeping"));
  // No control group has counted it.
  ASSERT_TRUE(Until([&] { return of_pod().cpu->usage_ns > GroupOfPod::kTime + 1000000; }));
  const cgroup::Stats sum = of_pod();
  EXPECT_EQ(sum.memory->usage,
            GroupOfPod::kMemory + StatsOf(*one).memory->usage + StatsOf(*other).memory->usage);
  EXPECT_GT(sum.memory->usage, GroupOfPod::kMemory);
  for (const char* id : {"one", "other"}) EXPECT_TRUE(End(id));
  EXPECT_EQ(of_pod().memory->usage, GroupOfPod::kMemory);
}

}  // namespace
}  // namespace wasmoor::sandbox
