#include "wasmoor/cgroup/threads.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "support/child.h"
#include "wasmoor/cgroup/entry.h"

namespace wasmoor::cgroup {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The group of the calling thread in the hierarchy that limits CPU time.
std::string OwnGroup() {
  std::istringstream lines(TextOf("/proc/thread-self/cgroup"));
  std::string own;
  for (std::string line; std::getline(lines, line);) {
    const size_t controllers = line.find(':') + 1, path = line.find(':', controllers) + 1;
    const std::string named = "," + line.substr(controllers, path - 1 - controllers) + ",";
    if ((named == ",," && own.empty()) || named.find(",cpu,") != named.npos)
      own = line.substr(path);
  }
  return own;
}

constexpr int kCannot = 77;

// In a process of its own, as a host of threads is one.
template <typename Body>
std::string InHost(Body body) {
  return test::InChild([&]() -> int {
    const auto root = Root::Detect();
    if (!root) return kCannot;
    const auto threads = PrepareThreads(*root);
    if (!threads || threads->hierarchies().empty()) return kCannot;
    return body(*threads);
  });
}

#define REQUIRE_GROUPS(ended) \
  if ((ended) == "exit 77") GTEST_SKIP() << "needs control groups that threads can be in"

std::string PathOf(const std::string& name) {
  return "/wasmoor-threads-" + std::to_string(::getpid()) + "-" + name;
}

oci::Resources Quota(int64_t quota) {
  oci::Resources resources;
  resources.cpu = oci::CpuResources{.shares = 512, .period = 100'000, .quota = quota};
  return resources;
}

TEST(ThreadsTest, AThreadMovesAloneIntoItsGroupAndIsHeldToTheQuota) {
  const std::string path = PathOf("one");
  const std::string ended = InHost([&](const Root& threads) {
    auto group = CreateThreadGroup(threads, path);
    if (!group) return kCannot;
    if (!group->Apply(Quota(10'000))) return 2;
    const std::string before = OwnGroup();
    std::string inside;
    bool throttled = false;
    std::thread spinner([&] {
      const auto entry = Entry::OpenForThreads(*group);
      if (!entry || !entry->Enter()) return;
      inside = OwnGroup();
      for (int i = 0; i < 100'000 && !throttled; ++i) {
        [[maybe_unused]] volatile int spun = 0;
        for (int spin = 0; spin < 100'000; ++spin) spun = spin;
        const auto stats = group->ReadStats();
        throttled = stats && stats->cpu && stats->cpu->throttled_periods > 0;
      }
    });
    spinner.join();
    if (inside.empty() || inside == before || OwnGroup() != before) return 3;
    if (inside.find("one") == inside.npos) return 4;
    if (!throttled) return 5;
    return group->Remove() ? 0 : 6;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
  EXPECT_TRUE(RemoveThreadGroup(path));
}

TEST(ThreadsTest, WhatADeadProcessHasLeftIsRemovedByTheOneThatStartedIt) {
  const std::string path = PathOf("left");
  const std::string ended = InHost([&](const Root& threads) {
    auto group = CreateThreadGroup(threads, path);
    return group ? 0 : kCannot;  // And leaves it.
  });
  REQUIRE_GROUPS(ended);
  ASSERT_EQ(ended, "exit 0");
  const auto find = [&] {
    const auto threads = Root::Detect()->OfThreads();
    const auto again = CreateThreadGroup(threads, path);
    return again && again->Exists() ? again->Directories().front().path : "";
  };
  const std::string directory = find();
  ASSERT_NE(directory, "");
  EXPECT_TRUE(RemoveThreadGroup(path));
  EXPECT_NE(::access(directory.c_str(), F_OK), 0);
  EXPECT_TRUE(RemoveThreadGroup(path));
}

TEST(ThreadsTest, APathForSystemdIsANameOnV2AndNoneOfV1s) {
  const auto root = Root::Detect();
  ASSERT_TRUE(root);
  const std::string path = "machine.slice:wasmoor:" + std::to_string(::getpid());
  const std::string ended = InHost([&](const Root& threads) {
    auto group = CreateThreadGroup(threads, path);
    if (threads.layout() != Layout::kV2)
      return !group && group.error().code() == Code::kUnimplemented ? 0 : 2;
    if (!group || !group->Exists()) return 3;
    return group->Remove() ? 0 : 4;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(ThreadsTest, NoGroupIsMadeForAPathThatNamesNone) {
  const std::string ended = InHost([&](const Root& threads) {
    for (const std::string& path : {std::string(), std::string("/"), std::string(300, 'a')}) {
      if (CreateThreadGroup(threads, path)) return 2;
    }
    return 0;
  });
  REQUIRE_GROUPS(ended);
  EXPECT_EQ(ended, "exit 0");
}

TEST(ThreadsTest, ThreadsOfAProcessBelowADividedGroupAreInTheOtherPart) {
  const std::string mounts = "40 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  const auto divided = Root::Parse(mounts, "0::/a.service/wasmoor-daemon\n");
  ASSERT_TRUE(divided);
  EXPECT_EQ(divided->OfThreads().hierarchies()[0].own_path, "/a.service/wasmoor-guests");
  const auto whole = Root::Parse(mounts, "0::/a.service\n");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->OfThreads().hierarchies()[0].own_path, "/a.service");
}

}  // namespace
}  // namespace wasmoor::cgroup
