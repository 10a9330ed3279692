#include "wasmoor/os/mount.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

using ::testing::HasSubstr;

// Runs `body` in a child with a mount namespace of its own, where nothing that is mounted can be
// seen from outside; a failed expectation is printed there and makes the child's status 1.
void InMountNamespace(const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0) _exit(77);
    EXPECT_TRUE(SetPropagation("/", MS_PRIVATE, Depth::kWholeTree));
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
    GTEST_SKIP() << "needs CAP_SYS_ADMIN for a mount namespace";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

class MountTest : public ::testing::Test {
 protected:
  MountTest() {
    std::string path = (std::filesystem::temp_directory_path() / "wasmoor-mount-XXXXXX").native();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    path_ = path;
    directory_ = Fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  ~MountTest() override { std::filesystem::remove_all(path_); }

  // What was opened outside belongs to the mounts outside.
  void InNamespace(const std::function<void()>& body) {
    InMountNamespace([&] {
      directory_ = Fd(open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      body();
    });
  }

  Result<Fd> Tmpfs(const char* size) {
    FilesystemContext context = TRY(FilesystemContext::Open("tmpfs"));
    TRY(context.Set("size", size));
    return context.Mount(MOUNT_ATTR_NODEV);
  }

  std::filesystem::path path_;
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
