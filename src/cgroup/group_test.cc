#include "wasmoor/cgroup/group.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

#include "cgroup/group_for_test.h"

namespace wasmoor::cgroup {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

TEST_F(GroupTest, MembersAreFoundKilledAndTheGroupIsGoneAfterwards) {
  Child one, two;
  ASSERT_TRUE(group_->Add(one.pid()));
  ASSERT_TRUE(group_->Add(two.pid()));
  const auto pids = group_->Pids();
  ASSERT_TRUE(pids) << pids.error().message();
  EXPECT_THAT(*pids, UnorderedElementsAre(one.pid(), two.pid()));
  const auto killed = group_->Kill();
  ASSERT_TRUE(killed) << killed.error().message();
  EXPECT_EQ(one.Wait(), "signal 9");
  EXPECT_EQ(two.Wait(), "signal 9");
  ASSERT_TRUE(group_->Remove());
  EXPECT_FALSE(Exists(DirectoryOf("memory")));
}

TEST_F(GroupTest, RemoveRefusesWhileAProcessIsInsideAndLeavesTheGroupWhole) {
  Child inside;
  ASSERT_TRUE(group_->Add(inside.pid()));
  const auto removed = group_->Remove(std::chrono::milliseconds(20));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(removed.error().message(), HasSubstr(std::to_string(inside.pid())));
  EXPECT_TRUE(Exists(DirectoryOf("memory")));
  EXPECT_TRUE(Exists(DirectoryOf("pids")));
}

TEST_F(GroupTest, AGroupIsOpenedFromItsTextByAnotherObject) {
  Child inside;
  ASSERT_TRUE(group_->Add(inside.pid()));
  auto again = Group::Open(group_->ToText());
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->Exists());
  EXPECT_EQ(again->ToText(), group_->ToText());
  const auto pids = again->Pids();
  ASSERT_TRUE(pids);
  EXPECT_THAT(*pids, UnorderedElementsAre(inside.pid()));
}

TEST_F(GroupTest, APlanIsTheTextOfTheGroupThatIsMadeOfIt) {
  const auto plan = Group::Plan(root_, path_ + "-planned");
  ASSERT_TRUE(plan);
  auto nothing = Group::Open(*plan);
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(nothing->Exists());
  EXPECT_TRUE(nothing->Kill());
  EXPECT_TRUE(nothing->Remove());
  auto group = Group::CreatePlanned(*plan);
  ASSERT_TRUE(group) << group.error().message();
  EXPECT_EQ(group->ToText(), *plan);
  EXPECT_TRUE(group->Remove());
}

TEST_F(GroupTest, AGroupWithStrangersInItIsNotTaken) {
  Child stranger;
  ASSERT_TRUE(group_->Add(stranger.pid()));
  const auto taken = Group::Create(root_, path_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(Exists(DirectoryOf("memory")));
}

TEST_F(GroupTest, AFailedCreateLeavesNothing) {
  // A group's own file is in the way: the parent is made and has to go again.
  const std::string parent = path_ + "/parent";
  const auto group = Group::Create(root_, parent + "/cgroup.procs");
  ASSERT_FALSE(group);
  EXPECT_FALSE(Exists(DirectoryOf("memory") + "/parent"));
  EXPECT_FALSE(Exists(DirectoryOf("cpu") + "/parent"));
}

TEST_F(GroupTest, FrozenMembersDoNotRunAndAreKilledAllTheSame) {
  auto* count = static_cast<volatile uint64_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  Child counting([count] {
    for (;;) *count = *count + 1;
  });
  ASSERT_TRUE(group_->Add(counting.pid()));
  const auto frozen = group_->Freeze();
  ASSERT_TRUE(frozen) << frozen.error().message();
  EXPECT_TRUE(*group_->IsFrozen());
  const uint64_t before = *count;
  usleep(20'000);
  EXPECT_EQ(*count, before);
  ASSERT_TRUE(group_->Thaw());
  EXPECT_FALSE(*group_->IsFrozen());
  while (*count == before) usleep(1000);
  ASSERT_TRUE(group_->Freeze());
  ASSERT_TRUE(group_->Kill());
  EXPECT_EQ(counting.Wait(), "signal 9");
  munmap(const_cast<uint64_t*>(count), 4096);
}

TEST_F(GroupTest, NestedGroupsBelongToIt) {
  auto inner = Group::Create(root_, path_ + "/inner/most");
  ASSERT_TRUE(inner) << inner.error().message();
  Child deep;
  ASSERT_TRUE(inner->Add(deep.pid()));
  EXPECT_THAT(*group_->Pids(), UnorderedElementsAre(deep.pid()));
  ASSERT_TRUE(inner->Freeze());  // As a container may do to a part of itself.
  const auto killed = group_->Kill();
  ASSERT_TRUE(killed) << killed.error().message();
  EXPECT_EQ(deep.Wait(), "signal 9");
  const auto removed = group_->Remove();
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_FALSE(Exists(DirectoryOf("memory")));
}

TEST_F(GroupTest, AForkBombIsHeldByThePidsLimitAndKilled) {
  oci::Resources resources;
  resources.pids_limit = 20;
  ASSERT_TRUE(group_->Apply(resources));
  Child bomb([this] {
    static_cast<void>(group_->Add(getpid()));
    for (;;) fork();
  });
  while (group_->Pids()->size() < 20) usleep(1000);
  EXPECT_EQ(group_->ReadStats()->pids->limit, 20u);
  EXPECT_LE(group_->ReadStats()->pids->current, 20u);
  const auto killed = group_->Kill();
  ASSERT_TRUE(killed) << killed.error().message();
  EXPECT_EQ(bomb.Wait(), "signal 9");
  const auto removed = group_->Remove();
  EXPECT_TRUE(removed) << removed.error().message();
}

TEST_F(GroupTest, RefusesToFreezeOrKillTheProcessThatAsks) {
  Child self([this] {
    static_cast<void>(group_->Add(getpid()));
    const auto frozen = group_->Freeze();
    const auto killed = group_->Kill();
    const bool refused = !frozen && frozen.error().code() == Code::kFailedPrecondition && !killed &&
                         killed.error().code() == Code::kFailedPrecondition;
    _exit(refused ? 7 : 1);
  });
  EXPECT_EQ(self.Wait(), "exit 7");
}

TEST_F(GroupTest, OomEventsTellOfAKillForWantOfMemory) {
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->limit = 8 << 20;
  resources.memory->swap = 8 << 20;
  const auto applied = group_->Apply(resources);
  ASSERT_TRUE(applied) << applied.error().message();
  const auto events = group_->OomEvents();
  ASSERT_TRUE(events) << events.error().message();
  EXPECT_EQ(group_->ReadStats()->memory->oom_kills, 0u);
  Child hungry([this] {
    static_cast<void>(group_->Add(getpid()));
    auto* memory = static_cast<char*>(
        mmap(nullptr, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(memory, 1, 64 << 20);
    _exit(0);
  });
  EXPECT_EQ(hungry.Wait(), "signal 9");
  pollfd poll_for{events->get(), POLLIN, 0};
  EXPECT_EQ(poll(&poll_for, 1, 5000), 1);
  EXPECT_EQ(group_->ReadStats()->memory->oom_kills, 1u);
}

TEST_F(GroupTest, StatisticsHaveTheirUnits) {
  Child busy([this] {
    static_cast<void>(group_->Add(getpid()));
    auto* memory = static_cast<char*>(
        mmap(nullptr, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(memory, 1, 16 << 20);
    timespec used{};
    while (used.tv_sec == 0 && used.tv_nsec < 100'000'000)
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    kill(getppid(), SIGCONT);
    raise(SIGSTOP);
  });
  int status = 0;
  waitpid(busy.pid(), &status, WUNTRACED);
  const auto stats = group_->ReadStats();
  ASSERT_TRUE(stats);
  ASSERT_TRUE(stats->cpu && stats->memory && stats->pids);
  EXPECT_GE(stats->cpu->usage_ns, 50'000'000u);
  EXPECT_LT(stats->cpu->usage_ns, 10'000'000'000u);
  EXPECT_GE(stats->memory->usage, uint64_t{16} << 20);
  EXPECT_GE(stats->memory->rss, uint64_t{15} << 20);
  EXPECT_GE(stats->memory->max_usage, stats->memory->rss);
  EXPECT_EQ(stats->memory->limit, kUnlimited);
  EXPECT_EQ(stats->memory->swap_limit, kUnlimited);
  EXPECT_EQ(stats->pids->current, 1u);
  EXPECT_EQ(stats->pids->limit, kUnlimited);
}

TEST_F(GroupTest, ADescriptorForCloneExistsOnV2Only) {
  EXPECT_EQ(group_->directory().valid(), IsV2());
}

TEST_F(GroupTest, AHundredGroupsLeaveNothingBehind) {
  for (int i = 0; i < 100; ++i) {
    auto group = Group::Create(root_, path_ + "/" + std::to_string(i % 3));
    ASSERT_TRUE(group) << group.error().message();
    ASSERT_TRUE(group->Remove());
  }
  struct stat status;
  ASSERT_EQ(stat(DirectoryOf("memory").c_str(), &status), 0);
  EXPECT_EQ(status.st_nlink, 2u);
}

TEST(GroupPathTest, PathsThatNameNoGroupAreRefused) {
  const auto root = Root::Parse("30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                                "0::/user.slice/session-1.scope\n");
  ASSERT_TRUE(root);
  for (const char* path : {"", "/", "//", "/a/../b", "..", "/a\tb", "/a\nb", "slice:pre:name"}) {
    const auto plan = Group::Plan(*root, path);
    ASSERT_FALSE(plan) << path;
    EXPECT_EQ(plan.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(plan.error().message(), HasSubstr("linux.cgroupsPath"));
  }
}

TEST(GroupPathTest, ARelativePathIsBesideThisProcessOnV2AndBelowItOnV1) {
  const auto v2 = Root::Parse("30 22 0:26 / /cg rw - cgroup2 cgroup2 rw\n", "0::/user/session\n");
  EXPECT_EQ(*Group::Plan(*v2, "one//two/"), "v2\t\t/cg\t/user/one/two\n");
  EXPECT_EQ(*Group::Plan(*v2, "/one"), "v2\t\t/cg\t/one\n");
  const auto v1 = Root::Parse("30 22 0:26 / /cg/m rw - cgroup cgroup rw,memory\n", "4:memory:/u\n");
  EXPECT_EQ(*Group::Plan(*v1, "one"), "v1\tmemory\t/cg/m\t/u/one\n");
}

TEST(GroupPathTest, TextsThatNameNoGroupAreRefused) {
  for (const char* text : {"", "v3\t\t/cg\t/a", "v2\t\tcg\t/a", "v2\t\t/cg\t/", "v2\t\t/cg\t",
                           "v1\tmemory\t/cg", "nonsense"}) {
    EXPECT_FALSE(Group::Open(text)) << text;
  }
}

}  // namespace
}  // namespace wasmoor::cgroup
