// What a container may use and has used: limits and their changes, statistics, the freezer,
// processes.

#include <chrono>
#include <thread>

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RuntimeResourcesTest : public RuntimeTest {
 protected:
  Json DataOf(const std::string& id) const {
    const Ended events = Do({"events", "--stats", id});
    EXPECT_THAT(events, AllOf(Ends(0), IsSilent()));
    const Json event = Json::parse(events.out, nullptr, false);
    EXPECT_EQ(event["type"], "stats");
    EXPECT_EQ(event["id"], id);
    return event["data"];
  }
};

constexpr uint64_t kMebi = 1 << 20;

TEST_F(RuntimeResourcesTest, StatisticsHaveTheUnitsThatCallersExpect) {
  REQUIRE_CONTAINERS();
  Json config =
      Config({"sh", "-c",
              "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 100 & echo ready; wait"});
  config["linux"]["resources"] = {{"memory", {{"limit", 64 * kMebi}}}, {"pids", {{"limit", 55}}}};
  StartBundle("c1", MakeBundle(config));
  ASSERT_TRUE(Says("c1", "ready"));
  const Json data = DataOf("c1");
  EXPECT_GT(data["cpu"]["usage"]["total"], 1'000'000U) << "nanoseconds";
  EXPECT_LT(data["cpu"]["usage"]["total"], 60'000'000'000U);
  EXPECT_EQ(data["memory"]["usage"]["limit"], 64 * kMebi);
  EXPECT_GT(data["memory"]["usage"]["usage"], 4096U) << "bytes";
  EXPECT_EQ(data["pids"]["current"], 2U) << "the shell and sleep";
  EXPECT_EQ(data["pids"]["limit"], 55U);
}

TEST_F(RuntimeResourcesTest, LimitsAreChangedByOptions) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sleep", "100"});
  config["linux"]["resources"] = {{"memory", {{"limit", 64 * kMebi}}}, {"pids", {{"limit", 55}}}};
  StartBundle("c1", MakeBundle(config));
  EXPECT_THAT(Do({"update", "--memory", "32m", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(DataOf("c1")["memory"]["usage"]["limit"], 32 * kMebi);
  EXPECT_EQ(DataOf("c1")["pids"]["limit"], 55U) << "what is not given stays";
  EXPECT_THAT(Do({"update", "--pids-limit=7", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(DataOf("c1")["pids"]["limit"], 7U);
  EXPECT_THAT(Do({"update", "c1"}), AllOf(Ends(1), Complains(HasSubstr("which limits"))));
  EXPECT_THAT(Do({"update", "--cpu-share", "x", "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("--cpu-share 'x'"))));
}

TEST_F(RuntimeResourcesTest, LimitsAreChangedByADocument) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  const std::string document = R"({"pids": {"limit": 9}})";
  EXPECT_THAT(Do({"update", "--resources", MakeFile("r.json", document), "c1"}),
              AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(DataOf("c1")["pids"]["limit"], 9U);
  EXPECT_THAT(Runtime({"update", "-r", "-", "c1"}).Input(R"({"pids": {"limit": 11}})").Run(),
              AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(DataOf("c1")["pids"]["limit"], 11U);
  EXPECT_THAT(Runtime({"update", "--resources=-", "c1"}).Input(R"({"pids": 5})").Run(),
              AllOf(Ends(1), Complains(HasSubstr("pids"))));
}

TEST_F(RuntimeResourcesTest, NothingMovesWhileItIsPaused) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sh", "-c", "while :; do echo x; sleep 0.01; done"});
  ASSERT_TRUE(Says("c1", "x"));
  EXPECT_THAT(Do({"pause", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(StatusOf("c1"), "paused");
  const std::string before = OutputOf("c1");
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(OutputOf("c1"), before);
  EXPECT_THAT(Do({"pause", "c1"}), AllOf(Ends(1), Complains(HasSubstr("it is paused"))));
  EXPECT_THAT(Do({"resume", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(StatusOf("c1"), "running");
}

TEST_F(RuntimeResourcesTest, ProcessesAreListedAsPsDoes) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sh", "-c", "sleep 77 & echo ready; wait"});
  ASSERT_TRUE(Says("c1", "ready"));
  const std::string pid = std::to_string(StateOf("c1")["pid"].get<int>());
  const Json pids = Json::parse(Do({"ps", "--format", "json", "c1"}).out);
  EXPECT_EQ(pids.size(), 2U);
  if (Command({"sh", "-c", "command -v ps >/dev/null"}).Run().status != 0)
    GTEST_SKIP() << "needs procps";
  EXPECT_THAT(
      Do({"ps", "c1"}),
      AllOf(Ends(0),
            Prints(AllOf(HasSubstr("UID"), HasSubstr(" " + pid + " "), HasSubstr("sleep 77"))),
            IsSilent()));
  EXPECT_THAT(Do({"ps", "c1", "-o", "pid,args"}), Prints(Not(HasSubstr("UID"))));
  EXPECT_THAT(Do({"ps", "c1", "-o", "args"}), AllOf(Ends(1), Complains(HasSubstr("column PID"))));
}

TEST_F(RuntimeResourcesTest, EventsComeUntilTheContainerEnds) {
  REQUIRE_CONTAINERS();
  Start("c1", {"sleep", "100"});
  const auto events = Runtime({"events", "--interval", "20ms", "c1"}).Start();
  ASSERT_TRUE(events->Says("\n"));
  ASSERT_THAT(Do({"kill", "c1", "KILL"}), Ends(0));
  const Ended ended = events->Wait();
  EXPECT_THAT(
      ended, AllOf(Ends(0), Prints(HasSubstr(R"({"type":"stats","id":"c1","data":)")), IsSilent()));
  ASSERT_TRUE(Becomes("c1", "stopped"));
  EXPECT_THAT(Do({"events", "--stats", "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("container c1 is not running"))));
  EXPECT_THAT(Do({"events", "--interval", "0", "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("more than 0"))));
}

TEST_F(RuntimeResourcesTest, RunningOutOfMemoryIsAnEvent) {
  REQUIRE_CONTAINERS();
  // The shell's variable grows until the limit; the shell is killed and its parent stays.
  Json config = Config({"sh", "-c",
                        "echo ready; read go; sh -c 'v=xxxxxxxxxxxxxxxx; while :; do v=$v$v; "
                        "done'; echo done; exec sleep 100"});
  config["linux"]["resources"] = {{"memory", {{"limit", 16 * kMebi}, {"swap", 16 * kMebi}}}};
  const auto running = Runtime({"run", "--bundle", MakeBundle(config), "c1"}).OnTerminal().Start();
  ASSERT_TRUE(running->Says("ready"));
  const auto events = Runtime({"events", "--interval", "10ms", "c1"}).Start();
  ASSERT_TRUE(events->Says("\n"));
  running->Type("go\n");
  EXPECT_TRUE(running->Says("done"));
  EXPECT_TRUE(events->Says("{\"type\":\"oom\",\"id\":\"c1\"}\n"));
  ASSERT_THAT(Do({"kill", "c1", "KILL"}), Ends(0));
  EXPECT_THAT(events->Wait(), Ends(0));
  running->Wait();
}

}  // namespace
}  // namespace wasmoor::e2e
