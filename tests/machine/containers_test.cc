// Containers on a machine with control groups v2 alone, and on one with systemd: what is said in
// docs/cgroups.md. Run by machine_v2 and machine_systemd, and wherever such a machine is.

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kMebi = 1 << 20;

class UnifiedTest : public RuntimeTest {
 protected:
  void SetUp() override {
    if (!fs::exists("/sys/fs/cgroup/cgroup.controllers"))
      GTEST_SKIP() << "needs control groups v2 at /sys/fs/cgroup";
  }

  // With its own control group as /sys/fs/cgroup, to write into.
  Json Divisible(std::vector<std::string> words) const {
    Json config = Config(std::move(words));
    config["linux"]["namespaces"].push_back({{"type", "cgroup"}});
    config["mounts"].push_back({{"destination", "/sys/fs/cgroup"},
                                {"type", "cgroup"},
                                {"source", "cgroup"},
                                {"options", {"rw", "nosuid", "noexec", "nodev"}}});
    return config;
  }
  static Json Limits() {
    return {{"memory", {{"limit", 24 * kMebi}, {"swap", 24 * kMebi}}},
            {"pids", {{"limit", 12}}},
            {"cpu", {{"quota", 20'000}, {"period", 100'000}, {"shares", 512}}}};
  }
  Json Statistics(const std::string& id) const {
    return Json::parse(Do({"events", "--stats", id}).out, nullptr, false)["data"];
  }
};

TEST_F(UnifiedTest, AContainerHasItsLimitsWhenItBeginsAndSeesItsGroupAsTheRoot) {
  REQUIRE_CONTAINERS();
  Json config = Divisible({"sh", "-c",
                           "cat /proc/self/cgroup; cd /sys/fs/cgroup; "
                           "cat memory.max memory.swap.max pids.max cpu.max cpu.weight"});
  config["linux"]["resources"] = Limits();
  const Ended run = Do({"run", "--bundle", MakeBundle(config), "c1"});
  EXPECT_THAT(run, AllOf(Ends(0), IsSilent()));
  EXPECT_THAT(run.out, StartsWith("0::/\n25165824\n"));
  EXPECT_THAT(run.out, HasSubstr("\n12\n20000 100000\n20\n"));
}

TEST_F(UnifiedTest, ForksBeyondThePidsLimitFail) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sh", "-c", "i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done"});
  config["linux"]["resources"] = Limits();
  const Ended run = Do({"run", "--bundle", MakeBundle(config), "c1"});
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.err, HasSubstr("fork"));
}

TEST_F(UnifiedTest, ALoopIsSlowedToItsShareOfTime) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sh", "-c", "while :; do :; done"});
  config["linux"]["resources"] = Limits();
  StartBundle("c1", MakeBundle(config));
  Json throttling;
  for (int i = 0; i < 1000; ++i) {
    throttling = Statistics("c1")["cpu"]["throttling"];
    if (throttling["throttledPeriods"] > 2U) break;
  }
  EXPECT_GT(throttling["throttledPeriods"], 2U);
  EXPECT_GT(throttling["throttledTime"], 0U);
}

TEST_F(UnifiedTest, MoreMemoryThanTheLimitEndsTheContainerWith137) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sh", "-c", "v=xxxxxxxxxxxxxxxx; while :; do v=$v$v; done"});
  config["linux"]["resources"] = Limits();
  EXPECT_THAT(Do({"run", "--bundle", MakeBundle(config), "c1"}), Ends(137));
}

TEST_F(UnifiedTest, AContainerMayDivideItsGroupAndIsStillEnteredAndDeleted) {
  REQUIRE_CONTAINERS();
  Json config = Divisible({"sh", "-c",
                           "cd /sys/fs/cgroup; mkdir init other; echo 0 >init/cgroup.procs; "
                           "echo '+memory +pids' >cgroup.subtree_control; "
                           "cat init/memory.current >/dev/null && echo divided; exec sleep 100"});
  config["linux"]["resources"] = Limits();
  StartBundle("c1", MakeBundle(config));
  ASSERT_TRUE(Says("c1", "divided")) << OutputOf("c1");
  const Ended exec = Do({"exec", "c1", "cat", "/proc/self/cgroup"});
  EXPECT_THAT(exec, AllOf(Ends(0), Prints("0::/init\n"), IsSilent()));
  EXPECT_EQ(Statistics("c1")["pids"]["limit"], 12U);
  EXPECT_THAT(Do({"pause", "c1"}), Ends(0));
  EXPECT_THAT(Do({"delete", "--force", "c1"}), AllOf(Ends(0), IsSilent()));
}

TEST_F(UnifiedTest, AGuestSeesTheLimitAsMemoryThatDoesNotGrow) {
  REQUIRE_CONTAINERS();
  REQUIRE_GUEST("grow");
  const fs::path bundle = MakeWasmBundle("grow", {"1000", "touch"});
  Json config = Json::parse(ReadFile(bundle / "config.json"));
  config["linux"]["resources"] = Limits();
  WriteFile(bundle / "config.json", config.dump());
  const Ended run = Do({"run", "--bundle", bundle, "c1"});
  EXPECT_THAT(run, Ends(0));
  EXPECT_THAT(run.out, ContainsRegex("grew by (1[5-9]|2[0-3]) MiB"));
}

class SystemdTest : public UnifiedTest {
 protected:
  void SetUp() override {
    if (!fs::exists("/run/systemd/system"))
      GTEST_SKIP() << "needs systemd as the init of this machine (sd_booted(3))";
    unit_ = "w-" + scratch.filename().native() + ".scope";
  }

  Ended Systemd(std::vector<std::string> words) const {
    return RuntimeWith({"--systemd-cgroup"}, std::move(words)).Run();
  }
  fs::path Scoped(const fs::path& bundle) const {
    Json config = Json::parse(ReadFile(bundle / "config.json"));
    config["linux"]["cgroupsPath"] = ":w:" + scratch.filename().native();
    config["linux"]["resources"] = Limits();
    WriteFile(bundle / "config.json", config.dump());
    return bundle;
  }
  void StartScoped(const std::string& id, const fs::path& bundle) const {
    ASSERT_THAT(Leaving(id, {"--systemd-cgroup", "create", "--bundle", bundle, id}).Run(), Ends(0))
        << OutputOf(id);
    ASSERT_THAT(Systemd({"start", id}), AllOf(Ends(0), IsSilent()));
  }
  std::string Show(const std::string& names) const {
    return Command({"systemctl", "show", "-p", names, unit_}).Run().out;
  }

  std::string unit_;
};

TEST_F(SystemdTest, AContainerIsAScopeThroughItsWholeLife) {
  REQUIRE_CONTAINERS();
  StartScoped("c1", Scoped(MakeBundle(Divisible({"sh", "-c",
                                                 "cat /proc/self/cgroup /sys/fs/cgroup/pids.max; "
                                                 "while :; do sleep 0.1; done"}))));
  ASSERT_TRUE(Says("c1", "0::/\n12\n")) << OutputOf("c1");
  EXPECT_EQ(Show("ActiveState,TasksMax"), "TasksMax=12\nActiveState=active\n");
  EXPECT_THAT(Systemd({"exec", "c1", "cat", "/proc/self/cgroup"}),
              AllOf(Ends(0), Prints("0::/\n"), IsSilent()));
  EXPECT_THAT(Systemd({"update", "--pids-limit", "21", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(Show("TasksMax"), "TasksMax=21\n");
  EXPECT_EQ(Statistics("c1")["pids"]["limit"], 21U);
  EXPECT_THAT(Systemd({"pause", "c1"}), Ends(0));
  EXPECT_EQ(StatusOf("c1"), "paused");
  EXPECT_THAT(Systemd({"resume", "c1"}), Ends(0));
  EXPECT_THAT(Systemd({"kill", "c1", "KILL"}), Ends(0));
  ASSERT_TRUE(Becomes("c1", "stopped"));
  EXPECT_THAT(Systemd({"delete", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(Show("LoadState"), "LoadState=not-found\n");
}

TEST_F(SystemdTest, AGuestRunsInAScope) {
  REQUIRE_CONTAINERS();
  REQUIRE_GUEST("loop");
  StartScoped("c1", Scoped(MakeWasmBundle("loop", {})));
  EXPECT_EQ(Show("ActiveState,TasksMax"), "TasksMax=12\nActiveState=active\n");
  EXPECT_THAT(Systemd({"kill", "c1", "TERM"}), Ends(0));
  ASSERT_TRUE(Becomes("c1", "stopped"));
  EXPECT_THAT(Systemd({"delete", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(Show("LoadState"), "LoadState=not-found\n");
}

TEST_F(SystemdTest, AContainerThatCannotStartLeavesNoScope) {
  REQUIRE_CONTAINERS();
  const Ended run =
      Systemd({"run", "--bundle", Scoped(MakeBundle(Config({"/no/such/program"}))), "c1"});
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.err, HasSubstr("/no/such/program"));
  EXPECT_EQ(Show("LoadState"), "LoadState=not-found\n");
}

}  // namespace
}  // namespace wasmoor::e2e
