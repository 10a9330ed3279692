#include "jail/namespaces.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <csignal>

#include "jail/spawn_namespaces.h"
#include "wasmoor/os/clone.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;
using ::testing::HasSubstr;
using ::testing::StartsWith;

oci::Linux With(std::vector<oci::Namespace> namespaces) {
  oci::Linux config;
  config.namespaces = std::move(namespaces);
  return config;
}

ino_t InodeOf(const std::string& path) {
  struct stat status = {};
  stat(path.c_str(), &status);
  return status.st_ino;
}

// Runs `test` in a child, which may enter what it likes; its status. 77: it lacks the rights.
int InChild(int (*test)()) {
  const pid_t child = fork();
  if (child == 0) _exit(test());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
constexpr int kNoRights = 77;

int StatusOf(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST(NamespacesTest, NewOnesAreMadeWhereTheyCanBe) {
  const auto plan = PlanNamespaces(With({{NamespaceType::kPid, ""},
                                         {NamespaceType::kMount, ""},
                                         {NamespaceType::kCgroup, ""},
                                         {NamespaceType::kTime, ""}}));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->cloned, static_cast<uint64_t>(CLONE_NEWPID | CLONE_NEWNS));
  EXPECT_TRUE(plan->Makes(NamespaceType::kTime));
  EXPECT_TRUE(plan->Makes(NamespaceType::kCgroup));
  EXPECT_FALSE(plan->Makes(NamespaceType::kUser));
}

TEST(NamespacesTest, AUserNamespaceIsApartFromTheOthers) {
  const auto plan = PlanNamespaces(With({{NamespaceType::kNetwork, "/proc/self/ns/net"},
                                         {NamespaceType::kPid, "/proc/self/ns/pid"},
                                         {NamespaceType::kUser, "/proc/self/ns/user"}}));
  ASSERT_TRUE(plan.has_value()) << plan.error().message();
  EXPECT_TRUE(plan->user.valid());
  EXPECT_TRUE(plan->ChangesUser());
  EXPECT_EQ(plan->joined.size(), 2u);
}

TEST(NamespacesTest, APathThatIsNoNamespaceOrAnotherIsTold) {
  const auto refusal = [](NamespaceType type, const char* path) {
    const auto plan = PlanNamespaces(With({{NamespaceType::kIpc, ""}, {type, path}}));
    return plan ? std::string("it was taken") : plan.error().message();
  };
  EXPECT_THAT(refusal(NamespaceType::kNetwork, "/proc/self/ns/uts"),
              HasSubstr("of another type than network"));
  EXPECT_THAT(refusal(NamespaceType::kNetwork, "/dev/null"), HasSubstr("is no namespace"));
  EXPECT_THAT(refusal(NamespaceType::kNetwork, "/nowhere"),
              StartsWith("linux.namespaces[1].path: "));
}

TEST(NamespacesTest, AChildCountsFromOtherOffsetsAndTheRuntimeItselfDoesNot) {
  const int status = InChild([] {
    const auto plan = PlanNamespaces(With({{NamespaceType::kTime, ""}}));
    timespec before;
    clock_gettime(CLOCK_BOOTTIME, &before);
    constexpr time_t kDay = 86400;
    auto entered = NamespacesForChild::Enter(*plan, {{"boottime", {kDay, 0}}}, nullptr);
    if (!entered) return kNoRights;
    const auto cloned = os::Clone({});
    if (cloned->pid == 0) {
      timespec now;
      clock_gettime(CLOCK_BOOTTIME, &now);
      _exit(now.tv_sec >= before.tv_sec + kDay ? 0 : 1);
    }
    const int child = StatusOf(cloned->pid);
    {
      const NamespacesForChild ended = std::move(*entered);
    }
    const bool back = InodeOf("/proc/self/ns/time") == InodeOf("/proc/self/ns/time_for_children");
    return child != 0 ? 1 : back ? 0 : 2;
  });
  if (status == kNoRights) GTEST_SKIP() << "needs CAP_SYS_ADMIN, for time namespaces";
  EXPECT_EQ(status, 0);
}

TEST(NamespacesTest, OnlyTheChildIsInAPidNamespaceThatIsJoined) {
  const int status = InChild([] {
    const auto sleeper = os::Clone({.namespaces = CLONE_NEWPID});
    if (!sleeper) return kNoRights;
    if (sleeper->pid == 0) {
      pause();
      _exit(0);
    }
    const std::string path = "/proc/" + std::to_string(sleeper->pid) + "/ns/pid";
    const auto plan = PlanNamespaces(With({{NamespaceType::kPid, path}}));
    int result = 1;
    if (plan) {
      auto entered = NamespacesForChild::Enter(*plan, {}, nullptr);
      const auto cloned = os::Clone({});
      if (cloned->pid == 0) _exit(getpid() == 2 ? 0 : 1);
      result = StatusOf(cloned->pid);
    }
    // Put back: the next child is one of ours again.
    const auto later = os::Clone({});
    if (later->pid == 0) _exit(getpid() > 2 ? 0 : 1);
    if (StatusOf(later->pid) != 0) result = 2;
    kill(sleeper->pid, SIGKILL);
    StatusOf(sleeper->pid);
    return result;
  });
  if (status == kNoRights) GTEST_SKIP() << "needs CAP_SYS_ADMIN, for PID namespaces";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace wasmoor::jail
