#include "wasmoor/cgroup/entry.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "support/child.h"

namespace wasmoor::cgroup {
namespace {

TEST(EntryTest, AProcessEntersEveryDirectoryOfTheGroupByItself) {
  const auto root = Root::Detect();
  ASSERT_TRUE(root.has_value());
  if (root->layout() == Layout::kV2) GTEST_SKIP() << "needs hierarchies of v1";
  const std::string name = "/wasmoor-entry-" + std::to_string(::getpid());
  auto group = Group::Create(*root, name);
  if (!group)
    GTEST_SKIP() << "needs control groups that can be written: " << group.error().message();
  const auto entry = Entry::Open(*group);
  ASSERT_TRUE(entry.has_value()) << entry.error().message();
  {
    test::Child inside([&] {
      if (!entry->Enter()) return 1;
      ::pause();
      return 0;
    });
    std::vector<pid_t> members;
    for (int i = 0; i < 500 && members.empty(); ++i) {
      members = group->Pids().value();
      ::usleep(10'000);
    }
    EXPECT_EQ(members, std::vector<pid_t>{inside.pid()});
    // cgroups(7): a line for each hierarchy.
    std::ifstream groups("/proc/" + std::to_string(inside.pid()) + "/cgroup");
    size_t entered = 0;
    for (std::string line; std::getline(groups, line);) entered += line.ends_with(name);
    const auto directories = group->Directories();
    EXPECT_EQ(entered, static_cast<size_t>(std::count_if(
                           directories.begin(), directories.end(),
                           [](const auto& one) { return one.hierarchy.version == 1; })));
  }
  EXPECT_TRUE(group->Remove());
  EXPECT_EQ(Entry::Open(*group).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace wasmoor::cgroup
