#include "cgroup/scope.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "cgroup/group_for_test.h"
#include "support/scratch.h"

namespace wasmoor::cgroup {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

oci::Resources Parse(const char* json) {
  auto resources = oci::ParseResources(json);
  EXPECT_TRUE(resources) << resources.error().message();
  return *resources;
}

std::string Read(const std::string& path) {
  std::string text = test::ReadFile(path);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string RunCommand(const std::string& command) {
  std::string output;
  FILE* stream = popen(command.c_str(), "re");
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, stream)) > 0;) output.append(buffer, got);
  pclose(stream);
  while (output.ends_with('\n')) output.pop_back();
  return output;
}

constexpr const char* kLimits = R"({"memory": {"limit": 33554432, "swap": 50331648},
    "pids": {"limit": 17}, "cpu": {"shares": 512, "quota": 25500, "period": 50000, "cpus": "0"},
    "unified": {"memory.high": "25165824"}})";

// With the machine's own systemd. What a test starts is ended by it or, if it fails, here.
class ScopeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access("/run/systemd/system", F_OK) != 0 || geteuid() != 0)
      GTEST_SKIP() << "needs root, and systemd as the init of this machine (sd_booted(3))";
    root_ = *Root::Detect();
    name_ = "wasmoor:test-" + std::to_string(getpid());
    unit_ = "wasmoor-test-" + std::to_string(getpid()) + ".scope";
  }
  void TearDown() override {
    if (unit_.empty()) return;
    for (Group& group : started_) {
      EXPECT_TRUE(group.Kill());
      while (waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      const auto removed = group.Remove();
      EXPECT_TRUE(removed) << removed.error().message();
    }
    EXPECT_FALSE(UnitExists());
  }

  // Lines "Name=value" of the unit.
  std::string Show(const std::string& names) const {
    return RunCommand("systemctl show -p " + names + " " + unit_);
  }
  bool UnitExists() const { return Show("LoadState") != "LoadState=not-found"; }

  Group Planned(const std::string& slice = "") {
    auto plan = Group::Plan(root_, slice + ":" + name_, Driver::kSystemd);
    EXPECT_TRUE(plan) << plan.error().message();
    auto group = Group::CreatePlanned(*plan);
    EXPECT_TRUE(group) << group.error().message();
    return std::move(*group);
  }
  Group* Start(pid_t pid, const char* limits, const std::string& slice = "") {
    started_.push_back(Planned(slice));
    Group& group = started_.back();
    EXPECT_TRUE(group.Apply(Parse(limits)));
    const auto added = group.Add(pid);
    EXPECT_TRUE(added) << added.error().message();
    return &group;
  }
  // In systemd's own hierarchy (cgroups(7)).
  std::string GroupOf(pid_t pid) const {
    const std::string all = Read("/proc/" + std::to_string(pid) + "/cgroup");
    const std::string start = root_.layout() == Layout::kV2 ? "0::" : "name=systemd:";
    const size_t at = all.find(start) + start.size();
    return all.substr(at, all.find('\n', at) - at);
  }
  const char* Limits() const {
    return root_.layout() == Layout::kV2 ? kLimits : R"({"pids": {"limit": 17},
        "memory": {"limit": 33554432}, "cpu": {"shares": 512}})";
  }

  Root root_;
  std::string name_, unit_;
  std::vector<Group> started_;
};

TEST_F(ScopeTest, AScopeComesToBeWithItsFirstProcessAndHasItsLimits) {
  Child first, second;
  Group planned = Planned();
  EXPECT_FALSE(planned.Exists());
  EXPECT_FALSE(planned.directory().valid());
  EXPECT_FALSE(UnitExists());

  Group& group = *Start(first.pid(), Limits());
  EXPECT_TRUE(group.Exists());
  EXPECT_EQ(GroupOf(first.pid()), "/system.slice/" + unit_);
  ASSERT_TRUE(group.Add(second.pid()));
  EXPECT_THAT(*group.Pids(), UnorderedElementsAre(first.pid(), second.pid()));
  const auto stats = group.ReadStats();
  EXPECT_EQ(stats->memory->limit, 32u << 20);
  EXPECT_EQ(stats->pids->limit, 17u);
  EXPECT_EQ(Show("Delegate,TasksMax"), "Delegate=yes\nTasksMax=17");
  if (root_.layout() != Layout::kV2) return;
  EXPECT_TRUE(group.directory().valid());
  const std::string directory = "/sys/fs/cgroup/system.slice/" + unit_;
  EXPECT_EQ(Read(directory + "/cpu.max"), "25500 50000");
  EXPECT_EQ(Read(directory + "/cpu.weight"), "20");
  EXPECT_EQ(Read(directory + "/cpuset.cpus"), "0");
  EXPECT_EQ(Read(directory + "/memory.high"), "25165824");
  EXPECT_EQ(Show("CPUWeight,MemoryHigh,MemoryMax,MemorySwapMax,AllowedCPUs"),
            "CPUWeight=20\nAllowedCPUs=0\nMemoryHigh=25165824\nMemoryMax=33554432\n"
            "MemorySwapMax=16777216");
}

TEST_F(ScopeTest, WhatAnUpdateSetsStaysWhenSystemdReadsItsUnitsAgain) {
  Child first;
  Group& group = *Start(first.pid(), Limits());
  const auto updated =
      group.Apply(Parse(R"({"memory": {"limit": 67108864}, "pids": {"limit": 31}})"));
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_EQ(Show("TasksMax"), "TasksMax=31");
  RunCommand("systemctl daemon-reload");
  // A change of the unit makes systemd write all of its values.
  RunCommand("systemctl set-property --runtime " + unit_ + " IOWeight=77");
  EXPECT_EQ(group.ReadStats()->memory->limit, 64u << 20);
  EXPECT_EQ(group.ReadStats()->pids->limit, 31u);
}

TEST_F(ScopeTest, ASecondProcessOpensTheGroupByItsTextAndEndsIt) {
  Child first;
  const std::string text = Start(first.pid(), "{}")->ToText();
  started_.clear();
  auto again = Group::Open(text);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->ToText(), text);
  EXPECT_THAT(*again->Pids(), UnorderedElementsAre(first.pid()));
  const auto busy = again->Remove(std::chrono::milliseconds(20));
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code(), Code::kFailedPrecondition);
  EXPECT_EQ(Show("ActiveState"), "ActiveState=active");
  ASSERT_TRUE(again->Freeze());
  EXPECT_TRUE(*again->IsFrozen());
  ASSERT_TRUE(again->Kill());
  EXPECT_EQ(first.Wait(), "signal 9");
  const auto removed = again->Remove();
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_TRUE(again->Remove());
}

TEST_F(ScopeTest, ANameIsFreeAtOnceAfterRemove) {
  for (int i = 0; i < 5; ++i) {
    Child first;
    Group& group = *Start(first.pid(), "{}");
    ASSERT_TRUE(group.Kill());
    first.Wait();
    const auto removed = group.Remove();
    ASSERT_TRUE(removed) << removed.error().message();
    started_.clear();
  }
}

TEST_F(ScopeTest, AScopeThatIsThereIsNotTaken) {
  Child first, second;
  Group late = Planned();
  Start(first.pid(), "{}");
  const auto added = late.Add(second.pid());
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), Code::kAlreadyExists);
  EXPECT_THAT(added.error().message(), HasSubstr(unit_));
  const auto planned = Group::Create(root_, ":" + name_, Driver::kSystemd);
  ASSERT_FALSE(planned);
  EXPECT_EQ(planned.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(*started_[0].Pids(), UnorderedElementsAre(first.pid()));
}

TEST_F(ScopeTest, SlicesAreMadeWithinEachOtherAndStay) {
  {
    Child first;
    Start(first.pid(), "{}", "wasmoortest-inner.slice");
    EXPECT_EQ(GroupOf(first.pid()), "/wasmoortest.slice/wasmoortest-inner.slice/" + unit_);
  }
  const auto removed = started_.back().Remove();
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(RunCommand("systemctl is-active wasmoortest-inner.slice"), "active");
  RunCommand("systemctl stop wasmoortest.slice");
}

TEST_F(ScopeTest, AKillForWantOfMemoryIsToldAndLeavesNoFailedUnit) {
  Child hungry([] {
    raise(SIGSTOP);
    auto* memory = static_cast<char*>(
        mmap(nullptr, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(memory, 1, 64 << 20);
    _exit(0);
  });
  int status = 0;
  waitpid(hungry.pid(), &status, WUNTRACED);
  Group& group = *Start(hungry.pid(), R"({"memory": {"limit": 8388608, "swap": 8388608}})");
  const auto events = group.OomEvents();
  ASSERT_TRUE(events) << events.error().message();
  kill(hungry.pid(), SIGCONT);
  EXPECT_EQ(hungry.Wait(), "signal 9");
  pollfd poll_for{events->get(), POLLIN, 0};
  EXPECT_EQ(poll(&poll_for, 1, 10'000), 1);
}

TEST_F(ScopeTest, AProcessThatIsGoneAndALimitThatCannotBeAreErrors) {
  Child gone([] { _exit(0); });
  const pid_t pid = gone.pid();
  gone.Wait();
  Group group = Planned();
  const auto nobody = group.Add(pid);
  ASSERT_FALSE(nobody);
  EXPECT_THAT(nobody.error().message(), HasSubstr("start unit " + unit_ + " in system.slice: "));

  Child first;
  started_.push_back(Planned());
  ASSERT_TRUE(started_.back().Apply(Parse(R"({"cpu": {"cpus": "4000"}})")));
  const auto limited = started_.back().Add(first.pid());
  ASSERT_FALSE(limited);
  EXPECT_THAT(limited.error().message(), HasSubstr("cpu"));
}

TEST_F(ScopeTest, SystemdIsAskedWithoutAMessageBusToo) {
  Child first;
  Child asks([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", "/run/dbus", "tmpfs", 0, nullptr) != 0)
      _exit(9);
    auto group = Group::Create(root_, ":" + name_, Driver::kSystemd);
    if (!group || !group->Add(first.pid())) _exit(8);
    _exit(0);
  });
  EXPECT_EQ(asks.Wait(), "exit 0");
  EXPECT_EQ(GroupOf(first.pid()), "/system.slice/" + unit_);
  started_.push_back(std::move(*Group::Open(*Group::Plan(root_, ":" + name_, Driver::kSystemd))));
}

// The user's own systemd (systemctl start user@1000), asked by the user or by root of a user
// namespace of his, as podman starts a runtime.
class UserScopeTest : public ScopeTest {
 protected:
  static constexpr uid_t kUser = 1000;

  void SetUp() override {
    ScopeTest::SetUp();
    if (IsSkipped()) return;
    if (root_.layout() != Layout::kV2)
      GTEST_SKIP() << "needs control groups v2: those of v1 are never a user's";
    RunCommand("systemctl start user@1000.service");
    if (access("/run/user/1000/bus", F_OK) != 0)
      GTEST_SKIP() << "needs a user with id 1000 whose systemd has a message bus";
    setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
  }
  void TearDown() override {
    unsetenv("XDG_RUNTIME_DIR");
    ScopeTest::TearDown();
  }

  static void BecomeUser() {
    if (setresgid(kUser, kUser, kUser) != 0 || setresuid(kUser, kUser, kUser) != 0) _exit(90);
  }
  static void BecomeRootOfUserNamespace() {
    BecomeUser();
    // Else its files in /proc are root's after a change of user (PR_SET_DUMPABLE of prctl(2)).
    if (prctl(PR_SET_DUMPABLE, 1) != 0 || unshare(CLONE_NEWUSER) != 0) _exit(91);
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 1000 1";
    std::ofstream("/proc/self/gid_map") << "0 1000 1";
    if (setresuid(0, 0, 0) != 0) _exit(92);
  }

  // What the child says after `become`: where its process was put, and what went wrong.
  std::string StartedBy(void (*become)()) {
    int said[2];
    EXPECT_EQ(pipe(said), 0);
    Child user([&] {
      become();
      std::string text;
      Child first;
      auto group = Group::Create(root_, ":" + name_, Driver::kSystemd);
      if (!group) text = group.error().message();
      if (group) {
        const auto applied = group->Apply(Parse(R"({"pids": {"limit": 20}})"));
        const auto added = group->Add(first.pid());
        text = added && applied ? GroupOf(first.pid()) : added.error().message();
        if (added) text += " " + std::to_string(group->ReadStats()->pids->limit);
        static_cast<void>(group->Kill());
        first.Wait();
        const auto removed = group->Remove();
        if (!removed) text += removed.error().message();
      }
      if (write(said[1], text.data(), text.size()) < 0) _exit(1);
      _exit(0);
    });
    close(said[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(said[0], buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(got));
    close(said[0]);
    user.Wait();
    return text;
  }

  std::string Expected() const {
    return "/user.slice/user-1000.slice/user@1000.service/user.slice/" + unit_ + " 20";
  }
};

TEST_F(UserScopeTest, AUserHasScopesOfHisOwnSystemd) {
  EXPECT_EQ(StartedBy(BecomeUser), Expected());
}

TEST_F(UserScopeTest, SoHasRootOfAUserNamespace) {
  EXPECT_EQ(StartedBy(BecomeRootOfUserNamespace), Expected());
}

TEST(ScopeNameTest, UnitAndPathFollowFromTheSpecification) {
  const auto name = ParseScopeName("a-b-c.slice:cri:one", Manager::kSystem);
  ASSERT_TRUE(name) << name.error().message();
  EXPECT_EQ(name->unit, "cri-one.scope");
  EXPECT_EQ(ScopePath(*name), "/a.slice/a-b.slice/a-b-c.slice/cri-one.scope");
  EXPECT_EQ(ScopePath(*ParseScopeName("::one", Manager::kSystem)), "/system.slice/one.scope");
  EXPECT_EQ(ScopePath(*ParseScopeName("::one", Manager::kUser)), "/user.slice/one.scope");
  EXPECT_EQ(ScopePath(*ParseScopeName("-.slice:p:one", Manager::kUser)), "/p-one.scope");
}

TEST(ScopeNameTest, NamesThatNoUnitCanHaveAreRefused) {
  const std::string long_name = "::" + std::string(250, 'n');
  for (const char* path :
       {"", "one", "/machine/one", "a:b", "a.slice:b:", "a.slice:b:c:d", "a:b:c", ".slice:b:c",
        "a--b.slice:b:c", "-a.slice:b:c", "a-.slice:b:c", "a.slice:b:../c", "a.slice:b:c d",
        "a.slice:b:c+d", "a.slice:b\n:c", long_name.c_str()}) {
    const auto name = ParseScopeName(path, Manager::kSystem);
    ASSERT_FALSE(name) << path;
    EXPECT_EQ(name.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(name.error().message(), HasSubstr("linux.cgroupsPath"));
  }
}

TEST(ScopeNameTest, NoSystemdIsSaidWithWhatToDoInstead) {
  setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
  const auto group = ManagerGroup(Manager::kSystem);
  unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  ASSERT_FALSE(group);
  EXPECT_EQ(group.error().code(), Code::kUnavailable);
  EXPECT_THAT(group.error().message(), HasSubstr("/nonexistent/bus"));
  EXPECT_THAT(group.error().message(), HasSubstr("leave --systemd-cgroup out"));
}

TEST(ScopeNameTest, ATextOfAScopeThatIsNoneIsRefused) {
  for (const char* text :
       {"systemd\tsystem\ta.slice\ta.scope\n", "systemd\tnobody\ta.slice\ta.scope\nv2\t\t/cg\t/a\n",
        "systemd\tuser\ta.slice\tsshd.service\nv2\t\t/cg\t/a\n"}) {
    EXPECT_FALSE(Group::Open(text)) << text;
  }
}

const Property* Find(const std::vector<Property>& all, const std::string& name) {
  for (const Property& one : all) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

TEST(ScopePropertiesTest, LimitsAreWhatSystemdCallsThem) {
  const auto all =
      PropertiesOf(Parse(R"({"cpu": {"quota": 25501, "period": 50000, "cpus": "0-2,9", "mems": "x"},
               "memory": {"limit": -1}, "pids": {"limit": 0}, "blockIO": {"weight": 1000},
               "unified": {"memory.low": "max", "memory.min": "1M"}})"),
                   Version::kV2);
  EXPECT_EQ(std::get<uint64_t>(Find(all, "CPUQuotaPerSecUSec")->value), 520'000u);
  EXPECT_EQ(std::get<uint64_t>(Find(all, "CPUQuotaPeriodUSec")->value), 50'000u);
  EXPECT_EQ(std::get<std::vector<uint8_t>>(Find(all, "AllowedCPUs")->value),
            (std::vector<uint8_t>{7, 2}));
  EXPECT_EQ(Find(all, "AllowedMemoryNodes"), nullptr);
  EXPECT_EQ(std::get<uint64_t>(Find(all, "MemoryMax")->value), kUnlimited);
  EXPECT_EQ(std::get<uint64_t>(Find(all, "MemorySwapMax")->value), kUnlimited);
  EXPECT_EQ(std::get<uint64_t>(Find(all, "TasksMax")->value), kUnlimited);
  EXPECT_EQ(std::get<uint64_t>(Find(all, "IOWeight")->value), 10'000u);
  EXPECT_EQ(std::get<uint64_t>(Find(all, "MemoryLow")->value), kUnlimited);
  EXPECT_EQ(Find(all, "MemoryMin"), nullptr);
}

}  // namespace
}  // namespace wasmoor::cgroup
