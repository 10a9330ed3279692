#include "wasmoor/os/mount.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "support/namespaces.h"
#include "support/scratch.h"
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

  Result<Fd> Tmpfs(const char* size) {
    FilesystemContext context = TRY(FilesystemContext::Open("tmpfs"));
    TRY(context.Set("size", size));
    return context.Mount(MOUNT_ATTR_NODEV);
  }

  const test::ScratchDirectory scratch_;
  const std::filesystem::path path_ = scratch_.path();
  Fd directory_;
};

TEST_F(MountTest, AFilesystemIsMadeAndAttachedByDescriptor) {
  InNamespace([&] {
    const auto mounted = Tmpfs("64k");
    ASSERT_TRUE(mounted) << mounted.error().message();
    ASSERT_TRUE(AttachMount(*mounted, directory_));
    const Fd top(open(path_.c_str(), O_PATH));
    EXPECT_TRUE(IsMountRoot(top).value());
    std::ofstream(path_ / "file") << "x";
    EXPECT_TRUE(SetMountAttributes(*mounted, {.set = MOUNT_ATTR_RDONLY}, Depth::kThisMount));
    EXPECT_EQ(open((path_ / "new").c_str(), O_CREAT | O_WRONLY, 0600), -1);
    EXPECT_EQ(errno, EROFS);
  });
  EXPECT_TRUE(std::filesystem::is_empty(path_));
}

TEST_F(MountTest, AFilesystemSaysWhatItDoesNotUnderstand) {
  const auto mounted = Tmpfs("a lot");
  ASSERT_FALSE(mounted);
  EXPECT_EQ(mounted.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(mounted.error().message(), HasSubstr("tmpfs"));
  EXPECT_EQ(FilesystemContext::Open("no-such-type").error().error_number(), ENODEV);
}

TEST_F(MountTest, ACopyOfATreeHasTheMountsBelowIt) {
  InNamespace([&] {
    std::filesystem::create_directories(path_ / "from/below");
    std::filesystem::create_directory(path_ / "to");
    const Fd below(open((path_ / "from/below").c_str(), O_PATH));
    ASSERT_TRUE(AttachMount(Tmpfs("64k").value(), below));
    std::ofstream(path_ / "from/below/file") << "x";
    const Fd to(open((path_ / "to").c_str(), O_PATH));
    auto tree = CloneMount(directory_, "from", Depth::kWholeTree);
    ASSERT_TRUE(tree) << tree.error().message();
    ASSERT_TRUE(AttachMount(*tree, to));
    EXPECT_TRUE(std::filesystem::exists(path_ / "to/below/file"));
    EXPECT_TRUE(DetachMount((path_ / "to").c_str()));
    EXPECT_FALSE(std::filesystem::exists(path_ / "to/below"));
  });
}

TEST_F(MountTest, TheRootIsPivotedAndTheOldOneGone) {
  InNamespace([&] {
    ASSERT_TRUE(AttachMount(Tmpfs("64k").value(), directory_));
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
