#include <gmock/gmock.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "jail/rootfs/mount_target.h"
#include "jail/rootfs/mount_testing.h"
#include "jail/rootfs/rootfs.h"
#include "wasmoor/os/features.h"
#include "wasmoor/os/mount.h"

// Roots whose owner works against the runtime while it mounts, and containers whose rights are
// those of a user namespace.
namespace wasmoor::jail {
namespace {

using ::testing::HasSubstr;

class RootfsAttackTest : public ScratchRoot {
 protected:
  // Makes root/volume a directory and a link to the outside by turns, all at once, until destroyed.
  class Swapper {
   public:
    Swapper(const std::filesystem::path& root, const std::filesystem::path& outside)
        : root_(root), thread_([this] { Run(); }) {
      std::filesystem::create_directory(root / "volume");
      std::filesystem::create_symlink(outside, root / "link");
      ready_ = true;
    }
    ~Swapper() {
      stop_ = true;
      thread_.join();
    }
    int swaps() const { return swaps_; }

   private:
    void Run() {
      while (!ready_) std::this_thread::yield();
      while (!stop_) {
        if (renameat2(AT_FDCWD, (root_ / "volume").c_str(), AT_FDCWD, (root_ / "link").c_str(),
                      RENAME_EXCHANGE) == 0)
          ++swaps_;
      }
    }
    std::filesystem::path root_;
    std::atomic<bool> ready_ = false, stop_ = false;
    std::atomic<int> swaps_ = 0;
    std::thread thread_;
  };

  void SetUp() override {
    outside_ = scratch_ / "outside";
    Write(outside_ / "secret", "secret");
  }
  void ExpectOutsideUntouched() {
    EXPECT_EQ(Read(outside_ / "secret"), "secret");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside_), {}), 1);
  }

  std::filesystem::path outside_;
};

TEST_F(RootfsAttackTest, NoTargetIsFoundOrMadeOutsideWhileLinksAreSwapped) {
  constexpr int kTries = 10000;
  const os::Fd root(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct stat inside = {}, beyond = {};
  ASSERT_EQ(stat(outside_.c_str(), &beyond), 0);
  int swaps = 0;
  {
    const Swapper swapper(root_, outside_);
    for (int i = 0; i < kTries; ++i) {
      const std::string name = "/volume/made" + std::to_string(i % 16);
      const auto made = OpenTarget(root, name, TargetKind::kDirectory, os::Links::kFollow);
      if (made) rmdir((root_ / name.substr(1)).c_str());
      const auto found = OpenTarget(root, "/volume", TargetKind::kDirectory, os::Links::kFollow);
      ASSERT_TRUE(!found || fstat(found->get(), &inside) == 0);
      ASSERT_FALSE(found && inside.st_ino == beyond.st_ino) << "led out at try " << i;
    }
    swaps = swapper.swaps();
  }
  EXPECT_GT(swaps, 0) << "nothing was swapped";
  ExpectOutsideUntouched();
}

TEST_F(RootfsAttackTest, NoMountLandsOutsideWhileLinksAreSwapped) {
  constexpr int kContainers = 100;
  Write(scratch_ / "data/file", "x");
  oci::Spec spec;
  spec.root = oci::Root{root_.native(), false};
  for (int i = 0; i < 20; ++i) {
    spec.mounts.push_back({"/volume", "bind", "data", {"rbind"}, {}, {}});
    spec.mounts.push_back({"/volume/t", "tmpfs", "tmpfs", {"mode=700"}, {}, {}});
    spec.mounts.push_back({"/volume/f", "bind", "data/file", {"bind", "ro"}, {}, {}});
    spec.on_linux.masked_paths.emplace_back("/volume/secret");
  }
  const Swapper swapper(root_, outside_);
  int built = 0;
  for (int i = 0; i < kContainers && !HasFailure(); ++i) {
    InNamespaces(0, [&] {
      const os::Fd bundle(open(scratch_.c_str(), O_PATH | O_DIRECTORY));
      auto rootfs = Rootfs::Build({spec, bundle, root_.native(), {}, false, false, {}});
      const std::string mounts = Read("/proc/self/mountinfo");
      EXPECT_EQ(mounts.find(" " + outside_.native()), std::string::npos) << mounts;
      // Whichever way it went, what was to be read-only is.
      EXPECT_TRUE(!rootfs || mounts.find("/f rw,") == std::string::npos) << mounts;
      EXPECT_EQ(Read(outside_ / "secret"), "secret");
    });
    ++built;
  }
  EXPECT_EQ(built, kContainers);
  ExpectOutsideUntouched();
}

// A process that holds a user namespace with given maps open.
Result<os::Fd> MakeUserNamespace(std::span<const oci::IdMapping> uids,
                                 std::span<const oci::IdMapping> gids) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return FailErrno(errno, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    const bool made = unshare(CLONE_NEWUSER) == 0;
    if (write(ready[1], made ? "y" : "n", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char answer = 'n';
  const bool read_it = read(ready[0], &answer, 1) == 1;
  close(ready[0]);
  close(ready[1]);
  const std::string proc = "/proc/" + std::to_string(child);
  for (const auto& [name, maps] : {std::pair{"/uid_map", uids}, std::pair{"/gid_map", gids}}) {
    std::ofstream file(proc + name);
    for (const oci::IdMapping& map : maps)
      file << map.container_id << ' ' << map.host_id << ' ' << map.size << '\n';
  }
  os::Fd opened(open((proc + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  if (!read_it || answer != 'y' || !opened.valid()) return FailErrno(EPERM, "user namespace");
  return opened;
}

TEST_F(RootfsAttackTest, AnIdmappedVolumeShowsTheOwnersOfItsMap) {
  Write(scratch_ / "data/file", "x");
  oci::Spec spec;
  spec.root = oci::Root{root_.native(), false};
  spec.mounts = {
      {"/volume", "bind", "data", {"rbind", "idmap"}, {{0, 5000, 100}}, {{0, 6000, 100}}}};
  const os::Fd bundle(open(scratch_.c_str(), O_PATH | O_DIRECTORY));
  auto sources = OpenMountSources(spec, bundle, root_.native(), false, MakeUserNamespace);
  if (!os::ProbeMountApi().yes()) {
    ASSERT_FALSE(sources);
    EXPECT_THAT(sources.error().message(), HasSubstr("only with open_tree(2)"));
    return;
  }
  if (!sources && sources.error().error_number() == EINVAL)
    GTEST_SKIP() << "the filesystem of the temporary directory has no idmapped mounts";
  ASSERT_TRUE(sources) << sources.error().message();
  InNamespaces(0, [&] {
    const os::Fd again(open(scratch_.c_str(), O_PATH | O_DIRECTORY));
    auto rootfs =
        Rootfs::Build({spec, again, root_.native(), std::move(*sources), false, false, {}});
    ASSERT_TRUE(rootfs) << rootfs.error().message();
    struct stat status = {};
    ASSERT_EQ(fstatat(rootfs->root().get(), "volume/file", &status, 0), 0);
    EXPECT_EQ(status.st_uid, 5000U);
    EXPECT_EQ(status.st_gid, 6000U);
  });
}

TEST_F(RootfsAttackTest, AUserNamespaceGetsItsVolumesDevicesAndTheHostsSys) {
  Write(scratch_ / "hidden/data/file", "x");
  // What it has no way to can be mounted nevertheless, where a mount can be handed on to it.
  const bool by_descriptor = os::ProbeMountApi().yes();
  for (const std::filesystem::path& path : {scratch_, scratch_ / "hidden"})
    ASSERT_EQ(chmod(path.c_str(), by_descriptor ? 0700 : 0755), 0);
  ASSERT_EQ(chmod(root_.c_str(), 0777), 0);
  oci::Spec spec;
  spec.root = oci::Root{root_.native(), false};
  spec.mounts = {{"/dev", "tmpfs", "tmpfs", {"mode=755"}, {}, {}},
                 {"/sys", "sysfs", "sysfs", {"ro", "nosuid"}, {}, {}},
                 {"/volume", "bind", "hidden/data", {"rbind", "ro"}, {}, {}}};
  const os::Fd bundle(open(scratch_.c_str(), O_PATH | O_DIRECTORY));
  auto sources = OpenMountSources(spec, bundle, root_.native(), true, MakeUserNamespace);
  ASSERT_TRUE(sources) << sources.error().message();
  const auto maps = MakeUserNamespace(std::vector<oci::IdMapping>{{0, 100000, 65536}},
                                      std::vector<oci::IdMapping>{{0, 100000, 65536}});
  ASSERT_TRUE(maps) << maps.error().message();
  InNamespaces(0, [&] {
    ASSERT_EQ(setns(maps->get(), CLONE_NEWUSER), 0);
    ASSERT_EQ(setresgid(0, 0, 0), 0);
    ASSERT_EQ(setresuid(0, 0, 0), 0);
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    const os::Fd again(open(scratch_.c_str(), O_PATH | O_DIRECTORY));
    auto rootfs =
        Rootfs::Build({spec, again, root_.native(), std::move(*sources), true, false, {}});
    ASSERT_TRUE(rootfs) << rootfs.error().message();
    const auto entered = rootfs->Enter(RootChange::kPivot);
    ASSERT_TRUE(entered) << entered.error().message();
    EXPECT_EQ(Read("/volume/file"), "x");
    EXPECT_EQ(access("/sys/kernel", F_OK), 0);
    const os::Fd null(open("/dev/null", O_WRONLY));
    EXPECT_TRUE(null.valid());
    EXPECT_EQ(write(null.get(), "x", 1), 1);
  });
}

TEST_F(RootfsAttackTest, AUserNamespaceWithoutAWayToItsRootIsToldWhatItNeeds) {
  if (os::ProbeMountApi().yes()) GTEST_SKIP() << "needs a system without open_tree(2)";
  oci::Spec spec;
  spec.root = oci::Root{root_.native(), false};
  const os::Fd bundle(open(scratch_.c_str(), O_PATH | O_DIRECTORY));
  auto sources = OpenMountSources(spec, bundle, root_.native(), true, MakeUserNamespace);
  ASSERT_TRUE(sources) << sources.error().message();
  const std::vector<oci::IdMapping> map = {{0, 100000, 65536}};
  const auto maps = MakeUserNamespace(map, map);
  ASSERT_TRUE(maps) << maps.error().message();
  InNamespaces(0, [&] {
    ASSERT_EQ(setns(maps->get(), CLONE_NEWUSER), 0);
    ASSERT_EQ(setresuid(0, 0, 0), 0);
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    auto rootfs =
        Rootfs::Build({spec, bundle, root_.native(), std::move(*sources), true, false, {}});
    ASSERT_FALSE(rootfs);
    EXPECT_THAT(rootfs.error().message(), HasSubstr("needs open_tree(2)"));
  });
}

}  // namespace
}  // namespace wasmoor::jail
