#include "wasmoor/os/mount.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>

#include "support/namespaces.h"
#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/os/features.h"
#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

using ::testing::HasSubstr;

class MountTest : public ::testing::Test {
 protected:
  MountTest() { directory_ = scratch_.Open(); }

  // What was opened outside belongs to the mounts outside.
  void InNamespace(const std::function<void()>& body) {
    test::InNamespaces(0, [&] {
      directory_ = scratch_.Open();
      body();
    });
  }

  static Result<Fd> Tmpfs(const char* size) {
    FilesystemContext context = TRY(FilesystemContext::Open("tmpfs"));
    TRY(context.Set("size", size));
    return context.Mount(MOUNT_ATTR_NODEV);
  }
  // By whatever this kernel has.
  static Fd MountTmpfs(const Fd& target) {
    auto mounted = Tmpfs("64k");
    if (mounted) {
      EXPECT_TRUE(AttachMount(*mounted, target));
    } else {
      EXPECT_EQ(mounted.error().error_number(), ENOSYS);
      mounted = MountOnto(target, "tmpfs", "tmpfs", MS_NODEV, "size=64k");
    }
    return test::Must(std::move(mounted));
  }
  static Fd Bind(const Fd& directory, const char* from, Depth depth,
                 std::span<const MountChange> changes, const std::filesystem::path& onto) {
    const Fd target(open(onto.c_str(), O_PATH));
    return test::Must(
        AttachBindSource(test::Must(OpenBindSource(directory, from, depth)), changes, target));
  }
  static int ErrnoOfWrite(const std::filesystem::path& path) {
    const Fd file(open(path.c_str(), O_WRONLY | O_CREAT, 0600));
    return file.valid() ? 0 : errno;
  }

  const test::ScratchDirectory scratch_;
  const std::filesystem::path path_ = scratch_.path();
  Fd directory_;
};

TEST_F(MountTest, AFilesystemIsMadeAndMountedOnADescriptor) {
  InNamespace([&] {
    const Fd mounted = MountTmpfs(directory_);
    const Fd top(open(path_.c_str(), O_PATH));
    EXPECT_TRUE(IsMountRoot(top).value());
    std::ofstream(path_ / "file") << "x";
    EXPECT_TRUE(SetMountAttributes(mounted, {.set = MOUNT_ATTR_RDONLY}, Depth::kThisMount));
    EXPECT_EQ(open((path_ / "new").c_str(), O_CREAT | O_WRONLY, 0600), -1);
    EXPECT_EQ(errno, EROFS);
  });
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

TEST_F(MountTest, AFilesystemSaysWhatItDoesNotUnderstand) {
  if (!ProbeMountApi().yes()) GTEST_SKIP() << "needs fsopen(2)";
  const auto mounted = Tmpfs("a lot");
  ASSERT_FALSE(mounted);
  EXPECT_EQ(mounted.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(mounted.error().message(), HasSubstr("tmpfs"));
  EXPECT_EQ(FilesystemContext::Open("no-such-type").error().error_number(), ENODEV);
}

TEST_F(MountTest, ABoundTreeHasTheMountsBelowIt) {
  InNamespace([&] {
    std::filesystem::create_directories(path_ / "from/below");
    std::filesystem::create_directory(path_ / "to");
    const Fd below(open((path_ / "from/below").c_str(), O_PATH));
    MountTmpfs(below);
    std::ofstream(path_ / "from/below/file") << "x";
    Bind(directory_, "from", Depth::kWholeTree, {}, path_ / "to");
    EXPECT_TRUE(std::filesystem::exists(path_ / "to/below/file"));
    EXPECT_TRUE(DetachMount((path_ / "to").c_str()));
    EXPECT_FALSE(std::filesystem::exists(path_ / "to/below"));
  });
}

TEST_F(MountTest, ABoundTreeIsChangedWithTheMountsBelowItAndNothingElse) {
  InNamespace([&] {
    std::filesystem::create_directories(path_ / "from/be low");
    std::filesystem::create_directory(path_ / "to");
    std::filesystem::create_directory(path_ / "plain");
    MountTmpfs(Fd(open((path_ / "from/be low").c_str(), O_PATH)));
    const std::array change = {MountChange{{.set = MOUNT_ATTR_RDONLY}, Depth::kWholeTree}};
    Bind(directory_, "from", Depth::kWholeTree, change, path_ / "to");
    EXPECT_EQ(ErrnoOfWrite(path_ / "to/file"), EROFS);
    EXPECT_EQ(ErrnoOfWrite(path_ / "to/be low/file"), EROFS);
    EXPECT_EQ(ErrnoOfWrite(path_ / "from/file"), 0);
    EXPECT_EQ(ErrnoOfWrite(path_ / "from/be low/file"), 0);
  });
}

TEST_F(MountTest, ABoundFileIsChangedAndNothingElse) {
  InNamespace([&] {
    std::ofstream(path_ / "from") << "x";
    std::ofstream(path_ / "to") << "y";
    const std::array change = {MountChange{{.set = MOUNT_ATTR_RDONLY}, Depth::kThisMount}};
    const Fd top = Bind(directory_, "from", Depth::kThisMount, change, path_ / "to");
    EXPECT_TRUE(IsMountRoot(top).value());
    EXPECT_EQ(scratch_.Read("to"), "x");
    EXPECT_EQ(ErrnoOfWrite(path_ / "to"), EROFS);
    EXPECT_EQ(ErrnoOfWrite(path_ / "from"), 0);
    std::ofstream(path_ / "second") << "z";
    Bind(top, "", Depth::kThisMount, {}, path_ / "second");
    EXPECT_EQ(scratch_.Read("second"), "x");
  });
}

// A user namespace may not take any of them away.
TEST_F(MountTest, WhatIsNotToBeChangedOfAMountStays) {
  InNamespace([&] {
    std::filesystem::create_directory(path_ / "to");
    const Fd top = MountTmpfs(directory_);
    constexpr uint64_t kAll = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                              MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOATIME;
    ASSERT_TRUE(
        SetMountAttributes(top, {.set = kAll, .clear = MOUNT_ATTR__ATIME}, Depth::kThisMount));
    ASSERT_TRUE(SetMountAttributes(top, {.set = MOUNT_ATTR_RDONLY, .clear = MOUNT_ATTR_NOEXEC},
                                   Depth::kThisMount));
    struct statvfs status = {};
    ASSERT_EQ(statvfs(path_.c_str(), &status), 0);
    constexpr unsigned long kKept = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NODIRATIME | ST_NOATIME;
    EXPECT_EQ(status.f_flag & (kKept | ST_NOEXEC | ST_RELATIME), kKept);
    ASSERT_TRUE(SetMountAttributes(
        top, {.set = MOUNT_ATTR_STRICTATIME, .clear = MOUNT_ATTR__ATIME | MOUNT_ATTR_RDONLY},
        Depth::kThisMount));
    ASSERT_EQ(statvfs(path_.c_str(), &status), 0);
    EXPECT_EQ(status.f_flag & (kKept | ST_RELATIME), ST_NOSUID | ST_NODEV | ST_NODIRATIME);
  });
}

TEST_F(MountTest, WhatOnlyDescriptorsCanDoNamesItsNeed) {
  if (ProbeMountApi().yes()) GTEST_SKIP() << "open_tree(2) is there";
  for (int time = 0; time < 2; ++time) {
    const auto clone = CloneMount("/", Depth::kThisMount);
    ASSERT_FALSE(clone);
    EXPECT_EQ(clone.error().error_number(), ENOSYS);
    EXPECT_THAT(clone.error().message(), HasSubstr("open_tree(2) (Linux 5.2)"));
  }
  EXPECT_THAT(SetMountIds(directory_, directory_, Depth::kThisMount).error().message(),
              HasSubstr("mount_setattr(2) (Linux 5.12)"));
}

TEST_F(MountTest, TheRootIsPivotedAndTheOldOneGone) {
  InNamespace([&] {
    MountTmpfs(directory_);
    std::ofstream(path_ / "inside") << "x";
    const Fd root(open(path_.c_str(), O_PATH | O_DIRECTORY));
    const auto pivoted = PivotRoot(root);
    ASSERT_TRUE(pivoted) << pivoted.error().message();
    EXPECT_EQ(access("/inside", F_OK), 0);
    EXPECT_EQ(access("/proc", F_OK), -1);
    EXPECT_EQ(access("/../proc", F_OK), -1);
  });
}

TEST_F(MountTest, LinksAreResolvedAsIfTheDirectoryWereTheRoot) {
  std::filesystem::create_directory(path_ / "etc");
  std::ofstream(path_ / "etc/passwd") << "ours";
  std::filesystem::create_symlink("/etc/passwd", path_ / "absolute");
  std::filesystem::create_symlink("../../../../etc/passwd", path_ / "upwards");
  for (const char* name : {"absolute", "upwards", "/../etc/passwd"}) {
    const auto file = OpenInRoot(directory_, name, O_RDONLY, Links::kFollow);
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(ReadAll(*file, 100).value().size(), 4U) << name;
  }
  EXPECT_EQ(OpenInRoot(directory_, "absolute", O_RDONLY, Links::kNoLinks).error().error_number(),
            ELOOP);
}

}  // namespace
}  // namespace wasmoor::os
