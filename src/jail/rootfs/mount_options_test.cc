#include "jail/rootfs/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>

namespace wasmoor::jail {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

MountOptions Parse(std::vector<std::string> options) { return ParseMountOptions(options); }

TEST(MountOptionsTest, TheLaterOfTwoThatContradictWins) {
  EXPECT_EQ(Parse({"ro", "rw"}).set, 0U);
  EXPECT_EQ(Parse({"ro", "rw"}).clear, uint64_t{MOUNT_ATTR_RDONLY});
  EXPECT_EQ(Parse({"rw", "ro"}).set, uint64_t{MOUNT_ATTR_RDONLY});
  EXPECT_EQ(Parse({"rw", "ro"}).clear, 0U);
}

TEST(MountOptionsTest, AModeOfAccessTimesReplacesTheOneBefore) {
  const MountOptions options = Parse({"noatime", "strictatime"});
  EXPECT_EQ(options.set, uint64_t{MOUNT_ATTR_STRICTATIME});
  EXPECT_EQ(options.clear, uint64_t{MOUNT_ATTR__ATIME});
}

TEST(MountOptionsTest, RecursiveAttributesStandApart) {
  const MountOptions options = Parse({"rro", "nosuid", "rnoexec"});
  EXPECT_EQ(options.set, uint64_t{MOUNT_ATTR_NOSUID});
  EXPECT_EQ(options.tree_set, uint64_t{MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC});
}

TEST(MountOptionsTest, BindPropagationAndIdMapsAreUnderstood) {
  const MountOptions options = Parse({"rbind", "rslave", "shared", "ridmap", "tmpcopyup"});
  EXPECT_TRUE(options.bind && options.bind_tree && options.copy_up);
  EXPECT_EQ(options.id_map, IdMap::kTree);
  ASSERT_EQ(options.propagation.size(), 2U);
  EXPECT_EQ(options.propagation[0].type, static_cast<unsigned long>(MS_SLAVE));
  EXPECT_TRUE(options.propagation[0].tree);
  EXPECT_FALSE(options.propagation[1].tree);
}

TEST(MountOptionsTest, WhatIsNotOursGoesToTheFilesystem) {
  const MountOptions options = Parse({"size=64k", "ro", "mode=1777", "huge=never"});
  EXPECT_THAT(options.data, ElementsAre("size=64k", "mode=1777", "huge=never"));
  EXPECT_THAT(Parse({"defaults", "sync", "async"}).filesystem_flags, IsEmpty());
  EXPECT_THAT(Parse({"sync"}).filesystem_flags, ElementsAre("sync"));
}

TEST(MountOptionsTest, NoKnownOptionReachesTheFilesystem) {
  const std::vector<std::string> known = KnownMountOptions();
  EXPECT_THAT(ParseMountOptions(known).data, IsEmpty());
  EXPECT_TRUE(std::is_sorted(known.begin(), known.end()));
  EXPECT_EQ(std::adjacent_find(known.begin(), known.end()), known.end());
}

TEST(MountOptionsTest, TheClassicCallIsAskedForTheSame) {
  EXPECT_EQ(ClassicFlags(Parse({"ro", "nosuid", "nodev", "noexec", "noatime", "sync"})),
            static_cast<unsigned long>(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME |
                                       MS_SYNCHRONOUS));
}

}  // namespace
}  // namespace wasmoor::jail
