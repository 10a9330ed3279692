#include "jail/attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

namespace wasmoor::jail {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kFailed = 250;

#define REQUIRE_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else"

// What `body` finds in a process of its own that has the attributes.
int With(const oci::Process& process, const std::function<int()>& body,
         const std::optional<oci::Personality>& personality = std::nullopt) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto attributes = ParseAttributes(process, personality);
    if (!attributes) {
      fprintf(stderr, "%s\n", attributes.error().message().c_str());
      ::_exit(kFailed);
    }
    for (const Status& applied :
         {ApplyFromOutside(*attributes, ::getpid()), ApplyLimits(*attributes, ::getpid()),
          ApplyInside(*attributes), ApplyIdentity(*attributes)}) {
      if (applied) continue;
      fprintf(stderr, "%s\n", applied.error().message().c_str());
      ::_exit(kFailed);
    }
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string ErrorOf(const oci::Process& process,
                    const std::optional<oci::Personality>& personality = std::nullopt) {
  const auto parsed = ParseAttributes(process, personality);
  return parsed ? "no error" : parsed.error().message();
}

TEST(AttributesTest, TheUserAndGroupsAreTheOnesNamedAndNothingIsLeftOfRoot) {
  REQUIRE_ROOT();
  const oci::Process process = {
      .user = {.uid = 1234, .gid = 2345, .umask = 027, .additional_gids = {10, 20}},
      .no_new_privileges = true};
  EXPECT_EQ(With(process,
                 [] {
                   uid_t ids[3];
                   ::getresuid(&ids[0], &ids[1], &ids[2]);
                   for (const uid_t id : ids) {
                     if (id != 1234) return 1;
                   }
                   gid_t groups[8];
                   if (::getgid() != 2345 || ::getgroups(8, groups) != 2) return 2;
                   if (groups[0] != 10 || groups[1] != 20) return 3;
                   const os::CapabilitySets now = os::GetCapabilities();
                   if ((now.permitted | now.effective | now.bounding | now.ambient) != 0) return 4;
                   if (::umask(0) != 027) return 5;
                   if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 6;
                   return ::setuid(0) == 0 ? 7 : 0;
                 }),
            0);
}

TEST(AttributesTest, AUserThatIsNotRootKeepsTheCapabilitiesThatItIsGiven) {
  REQUIRE_ROOT();
  const std::vector<std::string> one = {"CAP_NET_BIND_SERVICE"};
  const oci::Process process = {
      .user = {.uid = 1000, .gid = 1000},
      .capabilities = oci::Capabilities{
          .bounding = one, .effective = one, .inheritable = one, .permitted = one, .ambient = one}};
  EXPECT_EQ(With(process,
                 [] {
                   const os::CapabilitySets now = os::GetCapabilities();
                   const uint64_t bit = os::CapabilityBit(CAP_NET_BIND_SERVICE);
                   for (const uint64_t set : {now.bounding, now.effective, now.inheritable,
                                              now.permitted, now.ambient}) {
                     if (set != bit) return 1;
                   }
                   return 0;
                 }),
            0);
}

TEST(AttributesTest, LimitsPrioritiesAndScoresReachTheKernel) {
  REQUIRE_ROOT();
  const oci::Process process = {
      .rlimits = {{.type = "RLIMIT_NOFILE", .soft = 60, .hard = 70},
                  {.type = "RLIMIT_CORE", .soft = 0, .hard = 0}},
      .oom_score_adj = 900,
      .scheduler = oci::Scheduler{.policy = "SCHED_BATCH", .nice = 5},
      .io_priority = oci::IoPriority{.io_class = "IOPRIO_CLASS_BE", .priority = 6},
      .exec_cpu_affinity = oci::ExecCpuAffinity{.final_mask = "0"}};
  EXPECT_EQ(With(process,
                 [] {
                   const os::ResourceLimit files = os::GetLimit(RLIMIT_NOFILE);
                   if (files.soft != 60 || files.hard != 70) return 1;
                   if (::sched_getscheduler(0) != SCHED_BATCH) return 2;
                   if (::getpriority(PRIO_PROCESS, 0) != 5) return 3;
                   if (::syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, 0) !=
                       os::IoPriorityOf(os::kIoClassBestEffort, 6))
                     return 4;
                   int score = 0;
                   std::ifstream("/proc/self/oom_score_adj") >> score;
                   if (score != 900) return 5;
                   cpu_set_t cpus;
                   ::sched_getaffinity(0, sizeof(cpus), &cpus);
                   return CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus) ? 0 : 6;
                 }),
            0);
}

TEST(AttributesTest, ThePersonalityIsTheOneNamed) {
  REQUIRE_ROOT();
  EXPECT_EQ(With(
                {}, [] { return ::personality(0xffffffff) == PER_LINUX32 ? 0 : 1; },
                oci::Personality{.domain = "LINUX32"}),
            0);
}

TEST(AttributesTest, ErrorsNameTheFieldBeforeAnythingIsChanged) {
  EXPECT_THAT(ErrorOf({.rlimits = {{.type = "RLIMIT_CORE"}, {.type = "RLIMIT_LUCK"}}}),
              StartsWith("process.rlimits[1].type: 'RLIMIT_LUCK'"));
  EXPECT_THAT(ErrorOf({.capabilities = oci::Capabilities{.bounding = {"CAP_CHOWN", "CAP_ALL"}}}),
              StartsWith("process.capabilities.bounding[1]: 'CAP_ALL'"));
  EXPECT_THAT(ErrorOf({.oom_score_adj = 1001}), StartsWith("process.oomScoreAdj: "));
  EXPECT_THAT(ErrorOf({.scheduler = oci::Scheduler{.policy = "SCHED_FAST"}}),
              AllOf(StartsWith("process.scheduler.policy: 'SCHED_FAST'"), HasSubstr("SCHED_FIFO")));
  EXPECT_THAT(
      ErrorOf({.scheduler = oci::Scheduler{.policy = "SCHED_RR", .flags = {"SCHED_FLAG_X"}}}),
      StartsWith("process.scheduler.flags[0]: "));
  EXPECT_THAT(
      ErrorOf({.io_priority = oci::IoPriority{.io_class = "IOPRIO_CLASS_BE", .priority = 8}}),
      StartsWith("process.ioPriority.priority: "));
  EXPECT_THAT(ErrorOf({.exec_cpu_affinity = oci::ExecCpuAffinity{.initial = "1-"}}),
              StartsWith("process.execCPUAffinity.initial: '1-'"));
  EXPECT_THAT(ErrorOf({}, oci::Personality{.domain = "PLAN9"}),
              StartsWith("linux.personality.domain: 'PLAN9'"));
  EXPECT_THAT(ErrorOf({}, oci::Personality{.domain = "LINUX", .flags = {"X"}}),
              StartsWith("linux.personality.flags[0]: 'X'"));
}

TEST(AttributesTest, ALabelThatNothingWouldEnforceIsRefused) {
  if (::access("/sys/kernel/security/apparmor", F_OK) == 0)
    GTEST_SKIP() << "needs a kernel without AppArmor";
  EXPECT_THAT(ErrorOf({.apparmor_profile = "docker-default"}),
              StartsWith("process.apparmorProfile: 'docker-default' cannot be enforced"));
  EXPECT_EQ(ErrorOf({.apparmor_profile = "unconfined"}), "no error");
  if (::access("/sys/fs/selinux/enforce", F_OK) == 0)
    GTEST_SKIP() << "needs a kernel without SELinux";
  EXPECT_THAT(ErrorOf({.selinux_label = "system_u:object_r:x"}),
              StartsWith("process.selinuxLabel: "));
}

TEST(AttributesTest, ListsOfCpusAreReadAsTheKernelWritesThem) {
  const auto count = [](std::string_view list) {
    const auto set = ParseCpuList(list, "f");
    return set ? CPU_COUNT(&*set) : -1;
  };
  EXPECT_EQ(count("0"), 1);
  EXPECT_EQ(count("0-3,7"), 5);
  EXPECT_EQ(count("1,1,2-2"), 2);
  for (const char* bad : {"", ",", "1,", "-1", "3-1", "a", "1024", "1-2-3", "1 "})
    EXPECT_EQ(count(bad), -1) << bad;
}

TEST(AttributesTest, TheKeyringIsTheContainersOwn) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(ApplyKeyring("c1") ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace wasmoor::jail
