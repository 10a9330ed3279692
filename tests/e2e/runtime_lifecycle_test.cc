// The life of a container as a caller of wasmoor-runtime drives it: create, start, kill, delete,
// and what is refused in between.

#include <csignal>

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

using RuntimeLifecycleTest = RuntimeTest;

TEST_F(RuntimeLifecycleTest, AContainerIsCreatedThenRunsThenIsStoppedThenGone) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"sh", "-c", "echo it runs; exec sleep 100"});
  ASSERT_THAT(Leaving("c1", {"create", "--bundle", bundle, "c1"}).Run(), Ends(0));
  EXPECT_EQ(StatusOf("c1"), "created");
  EXPECT_THAT(Do({"start", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(StatusOf("c1"), "running");
  EXPECT_THAT(Do({"kill", "c1", "KILL"}), AllOf(Ends(0), IsSilent()));
  EXPECT_TRUE(Becomes("c1", "stopped"));
  EXPECT_THAT(Do({"delete", "c1"}), AllOf(Ends(0), IsSilent()));
  EXPECT_THAT(Do({"state", "c1"}), AllOf(Ends(1), Complains(HasSubstr("\"c1\" does not exist"))));
}

TEST_F(RuntimeLifecycleTest, TheStateSaysWhatCallersReadOfIt) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sleep", "100"});
  config["annotations"] = {{"org.example.key", "value"}};
  const fs::path bundle = MakeBundle(config);
  StartBundle("c1", bundle);
  const Json state = StateOf("c1");
  EXPECT_EQ(state["id"], "c1");
  EXPECT_EQ(state["ociVersion"], "1.2.0");
  EXPECT_EQ(state["bundle"], bundle.native());
  EXPECT_EQ(state["rootfs"], (bundle / "rootfs").native());
  EXPECT_EQ(state["annotations"]["org.example.key"], "value");
  EXPECT_EQ(state["owner"], "root");
  EXPECT_THAT(state["created"].get<std::string>(),
              MatchesRegex("2[0-9]{3}-[0-9-]{5}T[0-9:]{8}\\.[0-9]{9}Z"));
  const fs::path process = fs::path("/proc") / std::to_string(state["pid"].get<int>());
  EXPECT_THAT(ReadFile(process / "cmdline"), HasSubstr("sleep"));
}

TEST_F(RuntimeLifecycleTest, ThePidFileHasTheProcessThatWaits) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"sleep", "100"});
  ASSERT_THAT(Leaving("c1", {"create", "-b", bundle, "-pid-file", scratch / "pid", "c1"}).Run(),
              Ends(0));
  EXPECT_EQ(ReadFile(scratch / "pid"), std::to_string(StateOf("c1")["pid"].get<int>()));
}

TEST_F(RuntimeLifecycleTest, WhatDoesNotFitTheStateIsRefusedInTheWordsThatCallersKnow) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"sleep", "100"});
  ASSERT_THAT(Leaving("c1", {"create", "--bundle", bundle, "c1"}).Run(), Ends(0));
  const auto refused = [](std::string_view why) {
    return AllOf(Ends(1), Complains(HasSubstr(why)));
  };
  EXPECT_THAT(Do({"create", "--bundle", bundle, "c1"}), refused("c1"));
  EXPECT_THAT(Do({"delete", "c1"}), refused("cannot delete container"));
  EXPECT_THAT(Do({"pause", "c1"}), refused("cannot pause container"));
  ASSERT_THAT(Do({"start", "c1"}), Ends(0));
  EXPECT_THAT(Do({"start", "c1"}), refused("cannot start"));
  EXPECT_THAT(Do({"delete", "c1"}), refused("cannot delete container"));
  EXPECT_THAT(Do({"resume", "c1"}), refused("cannot resume container"));
  ASSERT_THAT(Do({"kill", "c1", "9"}), Ends(0));
  ASSERT_TRUE(Becomes("c1", "stopped"));
  EXPECT_THAT(Do({"kill", "c1", "9"}), refused("container not running"));
  EXPECT_THAT(Do({"start", "c1"}), refused("cannot start"));
  EXPECT_THAT(Do({"pause", "c1"}), refused("cannot pause container"));
  EXPECT_THAT(Do({"exec", "c1", "true"}),
              AllOf(Ends(255), Complains(HasSubstr("container not running"))));
  EXPECT_EQ(StateOf("c1")["pid"], 0);
}

TEST_F(RuntimeLifecycleTest, AContainerThatIsNotThereIsToldByItsName) {
  for (const std::string verb :
       {"start", "state", "kill", "delete", "pause", "resume", "ps", "events"}) {
    EXPECT_THAT(Do({verb, "nobody"}),
                AllOf(Ends(1), Complains(HasSubstr("\"nobody\" does not exist"))))
        << verb;
  }
  EXPECT_THAT(Do({"exec", "nobody", "true"}),
              AllOf(Ends(255), Complains(HasSubstr("does not exist"))));
  EXPECT_THAT(Do({"update", "--pids-limit", "5", "nobody"}),
              AllOf(Ends(1), Complains(HasSubstr("does not exist"))));
  EXPECT_THAT(Do({"delete", "--force", "nobody"}), AllOf(Ends(0), IsSilent()));
}

TEST_F(RuntimeLifecycleTest, ForceDeletesWhateverTheStateIs) {
  REQUIRE_CONTAINERS();
  ASSERT_THAT(Leaving("c1", {"create", "--bundle", BundleOf({"sleep", "100"}), "c1"}).Run(),
              Ends(0));
  EXPECT_THAT(Do({"delete", "--force", "c1"}), AllOf(Ends(0), IsSilent()));
  Start("c2", {"sleep", "100"});
  EXPECT_THAT(Do({"delete", "-f", "c2"}), AllOf(Ends(0), IsSilent()));
  Start("c3", {"sleep", "100"});
  ASSERT_THAT(Do({"pause", "c3"}), Ends(0));
  EXPECT_THAT(Do({"delete", "--force=true", "c3"}), AllOf(Ends(0), IsSilent()));
  EXPECT_EQ(Do({"list", "-q"}).out, "");
}

TEST_F(RuntimeLifecycleTest, ASignalMayBeANameOrANumber) {
  REQUIRE_CONTAINERS();
  for (const std::string signal : {"15", "TERM", "SIGTERM", "sigterm", ""}) {
    Start("c1",
          {"sh", "-c", "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.01; done"});
    ASSERT_TRUE(Says("c1", "ready"));
    std::vector<std::string> words = {"kill", "c1"};
    if (!signal.empty()) words.push_back(signal);
    EXPECT_THAT(Do(words), AllOf(Ends(0), IsSilent())) << signal;
    EXPECT_TRUE(Says("c1", "asked")) << signal;
    EXPECT_TRUE(Becomes("c1", "stopped"));
    ASSERT_THAT(Do({"delete", "c1"}), Ends(0));
  }
  EXPECT_THAT(Do({"kill", "c1", "FOO"}),
              AllOf(Ends(1), Complains(HasSubstr("'FOO' is no signal"))));
}

TEST_F(RuntimeLifecycleTest, AllProcessesAreKilledTogether) {
  REQUIRE_CONTAINERS();
  Json config = Config({"sh", "-c", "sleep 100 & echo ready; exec sleep 100"});
  // In the PID namespace of the host the end of the first process ends no other.
  config["linux"]["namespaces"] = Json::parse(R"([{"type": "mount"}])");
  config.erase("hostname");
  StartBundle("c1", MakeBundle(config));
  ASSERT_TRUE(Says("c1", "ready"));
  EXPECT_EQ(Json::parse(Do({"ps", "--format", "json", "c1"}).out).size(), 2U);
  EXPECT_THAT(Do({"kill", "--all", "c1", "KILL"}), AllOf(Ends(0), IsSilent()));
  ASSERT_TRUE(Becomes("c1", "stopped"));
  EXPECT_THAT(Do({"kill", "--all", "c1", "KILL"}), Ends(0)) << "as runc, of a stopped container";
  EXPECT_THAT(Do({"delete", "c1"}), AllOf(Ends(0), IsSilent()));
}

TEST_F(RuntimeLifecycleTest, WhatCannotBeCreatedLeavesNothing) {
  REQUIRE_CONTAINERS();
  Json config = Config({"/bin/nothing"});
  EXPECT_THAT(Do({"create", "--bundle", MakeBundle(config), "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("/bin/nothing"))));
  config["process"]["args"] = {"true"};
  config["linux"]["resources"]["memory"]["limit"] = "much";
  EXPECT_THAT(Do({"create", "--bundle", MakeBundle(config), "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("linux.resources.memory.limit"))));
  EXPECT_THAT(Do({"create", "--bundle", scratch / "nowhere", "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("nowhere"))));
  EXPECT_EQ(Do({"list", "--quiet"}).out, "");
}

TEST_F(RuntimeLifecycleTest, ATerminalThatNobodyTakesIsRefused) {
  REQUIRE_CONTAINERS();
  Json config = Config({"true"});
  config["process"]["terminal"] = true;
  const fs::path bundle = MakeBundle(config);
  EXPECT_THAT(Do({"create", "--bundle", bundle, "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("--console-socket"))));
  EXPECT_THAT(Do({"run", "--detach", "--bundle", bundle, "c1"}),
              AllOf(Ends(1), Complains(HasSubstr("--console-socket"))));
  EXPECT_EQ(Do({"list", "--quiet"}).out, "");
}

TEST_F(RuntimeLifecycleTest, EveryContainerIsListed) {
  REQUIRE_CONTAINERS();
  EXPECT_EQ(Do({"list", "--format", "json"}).out, "[]\n");
  Start("b", {"sleep", "100"});
  Start("a", {"true"});
  ASSERT_TRUE(Becomes("a", "stopped"));
  EXPECT_EQ(Do({"list", "-q"}).out, "a\nb\n");
  EXPECT_THAT(Do({"list"}), Prints(AllOf(HasSubstr("ID  PID"), HasSubstr("  running  "),
                                         HasSubstr("  stopped  "), HasSubstr("  root\n"))));
  const Json list = Json::parse(Do({"list", "-f", "json"}).out);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["status"], "stopped");
  EXPECT_EQ(list[1], StateOf("b"));
}

}  // namespace
}  // namespace wasmoor::e2e
