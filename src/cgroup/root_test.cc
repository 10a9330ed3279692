#include "wasmoor/cgroup/root.h"

#include <gtest/gtest.h>

namespace wasmoor::cgroup {
namespace {

constexpr std::string_view kV2Mount =
    "22 1 0:20 / / rw - ext4 /dev/sda rw\n"
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr std::string_view kV1Mounts =
    "31 22 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 22 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 22 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";

TEST(RootTest, FindsAMachineOfV2) {
  const auto root = Root::Parse(kV2Mount, "0::/user.slice/session-1.scope\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->layout(), Layout::kV2);
  ASSERT_EQ(root->hierarchies().size(), 1u);
  EXPECT_EQ(root->hierarchies()[0].mount_point, "/sys/fs/cgroup");
  EXPECT_EQ(root->hierarchies()[0].own_path, "/user.slice/session-1.scope");
  EXPECT_TRUE(root->hierarchies()[0].controllers.empty());
}

TEST(RootTest, FindsControllersThatShareAHierarchyOfV1) {
  const auto root = Root::Parse(kV1Mounts, "3:memory:/a\n2:cpu,cpuacct:/\n1:name=systemd:/b\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->layout(), Layout::kV1);
  ASSERT_EQ(root->hierarchies().size(), 3u);
  EXPECT_EQ(root->hierarchies()[0].mount_point, "/sys/fs/cgroup/memory");
  EXPECT_EQ(root->hierarchies()[0].own_path, "/a");
  EXPECT_EQ(root->hierarchies()[1].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ(root->hierarchies()[2].mount_point, "/sys/fs/cgroup/systemd");
}

TEST(RootTest, TakesV2BesideV1ForHybrid) {
  const auto root =
      Root::Parse(std::string(kV1Mounts) + std::string(kV2Mount), "3:memory:/\n0::/\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->layout(), Layout::kHybrid);
}

TEST(RootTest, LeavesANameWithoutAControllerBesideV2Alone) {
  const auto root =
      Root::Parse(std::string(kV1Mounts) + std::string(kV2Mount), "1:name=systemd:/x\n0::/\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->layout(), Layout::kV2);
  EXPECT_EQ(root->hierarchies().size(), 1u);
}

TEST(RootTest, ReadsEscapedMountPointsAndMountsOfAPart) {
  const auto root = Root::Parse("40 22 0:26 /pods/one /a\\040b rw - cgroup2 cgroup2 rw\n",
                                "0::/pods/one/inner\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->hierarchies()[0].mount_point, "/a b");
  EXPECT_EQ(root->hierarchies()[0].own_path, "/inner");
  const auto outside =
      Root::Parse("40 22 0:26 /pods/one /c rw - cgroup2 cgroup2 rw\n", "0::/pods/onerous\n");
  ASSERT_TRUE(outside);
  EXPECT_EQ(outside->hierarchies()[0].own_path, "/");
}

TEST(RootTest, SaysWhatToMountWhereThereIsNothing) {
  const auto root = Root::Parse("22 1 0:20 / / rw - ext4 /dev/sda rw\n", "0::/\n");
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code(), Code::kFailedPrecondition);
  EXPECT_NE(root.error().message().find("mount cgroup2"), std::string::npos);
}

TEST(RootTest, ReadsBrokenTextsWithoutHarm) {
  for (const char* mounts :
       {"", " - cgroup", "1 2 - cgroup2", "\\04 \\ - cgroup2 x\n\n", "- - -"}) {
    for (const char* own : {"", ":", "0", "0::", "::/x", "a:b:c:d\n\n:"}) {
      const auto root = Root::Parse(mounts, own);
      if (root) {
        EXPECT_FALSE(root->hierarchies().empty());
      }
    }
  }
}

}  // namespace
}  // namespace wasmoor::cgroup
