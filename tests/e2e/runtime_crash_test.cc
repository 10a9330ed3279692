// What is left when wasmoor-runtime is killed at any moment, and after a thousand containers:
// nothing.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <random>
#include <sstream>
#include <thread>

#include "e2e/runtime_suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::IsEmpty;

class RuntimeCrashTest : public RuntimeTest {
 protected:
  // Processes that are this runtime or a clone of it, or in a control group of this test's.
  std::vector<std::string> Processes() const {
    std::vector<std::string> found;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc", gone)) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const bool is_ours =
          ReadFile(entry.path() / "cmdline").find(root.native()) != std::string::npos ||
          ReadFile(entry.path() / "cgroup").find(scratch.filename()) != std::string::npos;
      if (is_ours && !IsZombie(name))
        found.push_back(name + " " + ReadFile(entry.path() / "cmdline"));
    }
    return found;
  }

  // A clone whose runtime was killed ends a moment later.
  std::vector<std::string> ProcessesThatStay() const {
    for (int i = 0; i < 500 && !Processes().empty(); ++i)
      std::this_thread::sleep_for(milliseconds(10));
    return Processes();
  }

  using Words = std::vector<std::string>;

  static bool IsZombie(const std::string& pid) {
    return ReadFile("/proc/" + pid + "/stat").find(") Z ") != std::string::npos;
  }

  // What a killed runtime has started is this process's child now, as it would be init's, and no
  // PID namespace ends before its processes have been waited for.
  static void WaitAsInit(const std::vector<std::unique_ptr<Process>>& own) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    const std::string self = std::to_string(getpid());
    for (bool ended = false; !ended && std::chrono::steady_clock::now() < until;) {
      std::istringstream children(ReadFile("/proc/self/task/" + self + "/children"));
      for (pid_t pid = 0; children >> pid;) {
        const bool orphan = std::none_of(own.begin(), own.end(),
                                         [&](const auto& one) { return one->pid() == pid; });
        if (orphan) waitpid(pid, nullptr, WNOHANG);
      }
      ended = std::all_of(own.begin(), own.end(),
                          [](const auto& one) { return IsZombie(std::to_string(one->pid())); });
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

  // Fifty times: `prepare`, then `command`, killed while it is at work, then one `delete --force`;
  // ten of these at once.
  void KillAtRandomMoments(const std::function<void(const std::string& id)>& prepare,
                           const std::function<Words(const std::string& id)>& command,
                           int longest_ms) {
    std::mt19937 random(4711);  // The same moments every time, as far as a machine repeats itself.
    std::uniform_int_distribution<int> microseconds(0, longest_ms * 1000);
    for (int round = 0; round < 5; ++round) {
      for (const std::string& id : kIds) {
        prepare(id);
        const auto process = Leaving(id, command(id)).Start();
        std::this_thread::sleep_for(std::chrono::microseconds(microseconds(random)));
        process->Signal(SIGKILL);
        process->Wait();
      }
      std::vector<std::unique_ptr<Process>> deletes;
      for (const std::string& id : kIds)
        deletes.push_back(Runtime({"delete", "--force", id}).Start());
      WaitAsInit(deletes);
      for (auto& one : deletes) EXPECT_THAT(one->Wait(), Ends(0)) << "round " << round;
      ASSERT_TRUE(fs::is_empty(root)) << "round " << round;
      ASSERT_THAT(ProcessesThatStay(), IsEmpty()) << "round " << round;
    }
  }

  Words Create(const std::string& id) const {
    return {"create", "--bundle", MakeBundle(Config({"sleep", "100"}), "bundle-" + id), id};
  }

  const Words kIds = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"};
};

TEST_F(RuntimeCrashTest, AKilledCreateLeavesWhatOneDeleteClears) {
  REQUIRE_CONTAINERS();
  ASSERT_THAT(Do({"list"}), Ends(0));  // Makes the state root.
  KillAtRandomMoments([](const std::string&) {}, [&](const std::string& id) { return Create(id); },
                      30);
}

TEST_F(RuntimeCrashTest, AKilledStartLeavesWhatOneDeleteClears) {
  REQUIRE_CONTAINERS();
  KillAtRandomMoments(
      [&](const std::string& id) { ASSERT_THAT(Leaving(id, Create(id)).Run(), Ends(0)); },
      [](const std::string& id) { return Words{"start", id}; }, 6);
}

TEST_F(RuntimeCrashTest, AKilledExecLeavesWhatOneDeleteClears) {
  REQUIRE_CONTAINERS();
  KillAtRandomMoments([&](const std::string& id) { Start(id, {"sleep", "100"}); },
                      [](const std::string& id) { return Words{"exec", id, "sleep", "100"}; }, 20);
}

TEST_F(RuntimeCrashTest, AKilledDeleteLeavesWhatOneDeleteClears) {
  REQUIRE_CONTAINERS();
  KillAtRandomMoments([&](const std::string& id) { Start(id, {"sleep", "100"}); },
                      [](const std::string& id) { return Words{"delete", "--force", id}; }, 12);
}

TEST_F(RuntimeCrashTest, WhatAKilledCreateLeftIsInNobodysWay) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"sleep", "100"});
  Json slow = Config({"sleep", "100"});
  slow["hooks"]["createRuntime"] = {{{"path", "/bin/sleep"}, {"args", {"sleep", "100"}}}};
  const auto process =
      Leaving("c1", {"create", "--bundle", MakeBundle(slow, "slow"), "c1"}).Start();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!fs::exists(root / "c1" / "start") && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(milliseconds(1));
  process->Signal(SIGKILL);
  process->Wait();
  EXPECT_THAT(Leaving("c1", {"create", "--bundle", bundle, "c1"}).Run(), Ends(0)) << OutputOf("c1");
  EXPECT_EQ(StatusOf("c1"), "created");
}

TEST_F(RuntimeCrashTest, ACreateThatIsKilledInAHookLeavesNeitherTheHookNorItsLock) {
  REQUIRE_CONTAINERS();
  const fs::path bundle = BundleOf({"sleep", "100"}), begun = scratch / "begun";
  Json slow = Config({"sleep", "100"});
  slow["hooks"]["createRuntime"] = {
      {{"path", "/bin/sh"}, {"args", {"sh", "-c", ": > " + begun.native() + "; exec sleep 100"}}}};
  const auto process =
      Leaving("c1", {"create", "--bundle", MakeBundle(slow, "slow"), "c1"}).Start();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!fs::exists(begun) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(milliseconds(1));
  ASSERT_TRUE(fs::exists(begun));
  process->Signal(SIGKILL);
  process->Wait();
  EXPECT_THAT(Leaving("c1", {"create", "--bundle", bundle, "c1"}).Run(), Ends(0)) << OutputOf("c1");
  EXPECT_EQ(StatusOf("c1"), "created");
}

TEST_F(RuntimeCrashTest, AThousandContainersLeaveNothing) {
  REQUIRE_CONTAINERS();
  constexpr int kAtOnce = 4, kEach = 250;
  std::vector<std::unique_ptr<Process>> loops;
  for (int i = 0; i < kAtOnce; ++i) {
    const std::string id = "c" + std::to_string(i);
    const fs::path bundle = MakeBundle(Config({"true"}), "bundle-" + id);
    const std::string loop =
        "i=0; while [ $i -lt " + std::to_string(kEach) + " ]; do \"$@\"; i=$((i+1)); done";
    loops.push_back(
        Command({"sh", "-euc", loop, "sh", FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", "--root",
                 root, "run", "--bundle", bundle, id})
            .Within(std::chrono::seconds(120))
            .Start());
  }
  for (auto& loop : loops) EXPECT_THAT(loop->Wait(), ::testing::AllOf(Ends(0), IsSilent()));
  EXPECT_TRUE(fs::is_empty(root));
  EXPECT_THAT(ProcessesThatStay(), IsEmpty());
}

}  // namespace
}  // namespace wasmoor::e2e
