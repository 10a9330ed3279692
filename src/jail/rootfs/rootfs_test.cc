#include "jail/rootfs/rootfs.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "jail/rootfs/mount_testing.h"
#include "wasmoor/os/features.h"

namespace wasmoor::jail {
namespace {

using ::testing::HasSubstr;

class RootfsTest : public ScratchRoot {
 protected:
  RootfsTest() { spec_.root = oci::Root{root_.native(), false}; }

  // What every engine asks for, in its order.
  void AddUsualMounts() {
    spec_.mounts = {
        {"/proc", "proc", "proc", {}, {}, {}},
        {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}, {}, {}},
        {"/dev/pts",
         "devpts",
         "devpts",
         {"nosuid", "noexec", "newinstance", "ptmxmode=0666"},
         {},
         {}},
        {"/dev/shm",
         "tmpfs",
         "shm",
         {"nosuid", "noexec", "nodev", "mode=1777", "size=64k"},
         {},
         {}},
        {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}, {}, {}},
        {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}, {}, {}}};
    spec_.on_linux.masked_paths = {"/proc/kcore", "/proc/timer_list", "/proc/scsi", "/sys/firmware",
                                   "/proc/no-such-file"};
    spec_.on_linux.readonly_paths = {"/proc/sys", "/proc/irq"};
  }
  void AddBind(const std::string& from, const std::string& to, std::vector<std::string> options) {
    options.emplace_back("rbind");
    spec_.mounts.push_back({to, "bind", from, std::move(options), {}, {}});
  }

  Result<Rootfs> Build(MountSources sources = {}, bool user_namespace = false) {
    bundle_ = os::Fd(open(scratch_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return Rootfs::Build({spec_, bundle_, root_.native(), std::move(sources), user_namespace,
                          cgroup_namespace_, cgroups_});
  }
  // In a child: builds the root, enters it, and looks around.
  void Inside(const std::function<void()>& look, RootChange change = RootChange::kPivot) {
    InNamespaces(0, [&] {
      auto rootfs = Build();
      ASSERT_TRUE(rootfs) << rootfs.error().message();
      const auto entered = rootfs->Enter(change);
      ASSERT_TRUE(entered) << entered.error().message();
      look();
    });
  }
  void ExpectError(const std::string& part) {
    InNamespaces(0, [&] {
      auto rootfs = Build();
      ASSERT_FALSE(rootfs) << "no error, though there is one: " << part;
      EXPECT_THAT(rootfs.error().message(), HasSubstr(part));
    });
  }

  static int ErrnoOfWrite(const char* path) {
    const os::Fd file(open(path, O_WRONLY | O_CREAT, 0600));
    return file.valid() ? 0 : errno;
  }

  oci::Spec spec_;
  os::Fd bundle_;
  bool cgroup_namespace_ = false;
  std::vector<CgroupTree> cgroups_;
};

TEST_F(RootfsTest, AUsualContainerFindsItsTree) {
  AddUsualMounts();
  Write(root_ / "etc/hello", "hello");
  Inside([] {
    EXPECT_EQ(Read("/etc/hello"), "hello");
    EXPECT_EQ(access("/proc/self/status", R_OK), 0);
    EXPECT_EQ(access("/dev/pts/ptmx", F_OK), 0);
    struct stat status = {};
    ASSERT_EQ(stat("/dev/full", &status), 0);
    EXPECT_EQ(status.st_rdev, makedev(1, 7));
    EXPECT_EQ(status.st_mode & 07777, 0666U);
    EXPECT_EQ(std::filesystem::read_symlink("/dev/fd"), "/proc/self/fd");
    EXPECT_EQ(std::filesystem::read_symlink("/dev/ptmx"), "pts/ptmx");
    EXPECT_EQ(ErrnoOfWrite("/dev/shm/file"), 0);
    EXPECT_EQ(ErrnoOfWrite("/sys/file"), EROFS);
    EXPECT_EQ(ErrnoOfWrite("/proc/sys/kernel/hostname"), EROFS);
    EXPECT_EQ(Read("/proc/timer_list"), "");
    EXPECT_TRUE(std::filesystem::is_empty("/sys/firmware"));
    EXPECT_EQ(access("/tmp", F_OK), -1) << "the host's root is still there";
  });
  // A second time, on what the first has left in the root.
  Inside([] { EXPECT_EQ(access("/dev/null", W_OK), 0); });
}

TEST_F(RootfsTest, ALabelOfFilesystemsIsNoErrorWithoutSelinux) {
  if (os::HasSelinux()) GTEST_SKIP() << "needs a kernel without SELinux";
  AddUsualMounts();
  spec_.on_linux.mount_label = "system_u:object_r:svirt_sandbox_file_t:s0:c715,c811";
  Inside([] { EXPECT_EQ(::access("/dev/pts/ptmx", F_OK), 0); });
}

TEST_F(RootfsTest, TheRootCanBeReadOnly) {
  AddUsualMounts();
  spec_.root->readonly = true;
  Inside([] {
    EXPECT_EQ(ErrnoOfWrite("/file"), EROFS);
    EXPECT_EQ(ErrnoOfWrite("/dev/shm/file"), 0);
  });
}

TEST_F(RootfsTest, TheRootCanBeMovedWhereItCannotBePivoted) {
  AddUsualMounts();
  Write(root_ / "etc/hello", "hello");
  Inside([] { EXPECT_EQ(Read("/etc/hello"), "hello"); }, RootChange::kMove);
}

TEST_F(RootfsTest, TargetsThatAreMissingAreMade) {
  Write(scratch_ / "volume/file", "x");
  AddBind("volume", "/a/b/c", {});
  AddBind((scratch_ / "volume/file").native(), "/d/e/file", {"ro"});
  Inside([] {
    EXPECT_EQ(Read("/a/b/c/file"), "x");
    EXPECT_EQ(Read("/d/e/file"), "x");
    EXPECT_EQ(ErrnoOfWrite("/a/b/c/new"), 0);
    EXPECT_EQ(ErrnoOfWrite("/d/e/file"), EROFS);
  });
}

TEST_F(RootfsTest, LinksInTheRootNeverLeadOut) {
  const std::filesystem::path outside = scratch_ / "outside";
  Write(outside / "secret", "secret");
  Write(scratch_ / "volume/file", "x");
  std::filesystem::create_symlink(outside, root_ / "absolute");
  std::filesystem::create_symlink("../outside", root_ / "upwards");
  std::filesystem::create_symlink("../outside/new", root_ / "dangling");
  AddBind("volume", "/absolute/mine", {});
  AddBind("volume", "/upwards/mine", {});
  AddBind("volume", "/dangling", {});
  AddBind("volume", "/x/../../../../outside/deep", {});
  spec_.on_linux.masked_paths = {"/upwards/secret", "/absolute/secret"};
  spec_.on_linux.devices = {{'c', "/upwards/null", 1, 3, {}, {}, {}}};
  Inside([&] {
    EXPECT_EQ(Read("/outside/mine/file"), "x");
    EXPECT_EQ(Read("/outside/new/file"), "x");
    EXPECT_EQ(Read(outside / "mine/file"), "x");  // The same path inside the root.
  });
  EXPECT_EQ(Read(outside / "secret"), "secret");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside), {}), 1);
}

TEST_F(RootfsTest, ProcAndSysNeedARealDirectory) {
  std::filesystem::create_directories(root_ / "fake");
  std::filesystem::create_symlink("fake", root_ / "proc");
  spec_.mounts = {{"/proc", "proc", "proc", {}, {}, {}}};
  ExpectError("mounts[0] (/proc): destination: proc may only be mounted on a directory");
  std::filesystem::create_symlink("fake", root_ / "sys");
  spec_.mounts = {{"/sys", "sysfs", "sysfs", {}, {}, {}}};
  ExpectError("mounts[0] (/sys): destination: sysfs may only be mounted on a directory");
}

TEST_F(RootfsTest, NothingCoversProcExceptViewsOfLimits) {
  Write(scratch_ / "volume/file", "ours");
  AddUsualMounts();
  AddBind("volume/file", "/proc/meminfo", {});
  Inside([] { EXPECT_EQ(Read("/proc/meminfo"), "ours"); });
  AddBind("volume", "/proc/self/attr", {});
  ExpectError("mounts[7] (/proc/self/attr): destination: lies inside /proc");
  std::filesystem::create_symlink("/proc/self", root_ / "link");
  spec_.mounts.back().destination = "/link/attr";
  ExpectError("mounts[7] (/link/attr): destination: lies inside /proc");
  spec_.mounts.clear();
  AddBind("volume", "/proc", {});
  ExpectError("is no proc filesystem");
}

TEST_F(RootfsTest, ErrorsNameTheFieldAndWhatTheFilesystemSays) {
  spec_.mounts = {{"/data", "tmpfs", "tmpfs", {"size=lots"}, {}, {}}};
  const bool explains = os::ProbeMountApi().yes();
  ExpectError(explains ? "mounts[0] (/data): size=lots: tmpfs: Bad value for 'size'"
                       : "mounts[0] (/data): mount tmpfs (size=lots): Invalid argument");
  spec_.mounts = {{"/data", "nosuchfs", "none", {}, {}, {}}};
  ExpectError(explains ? "mounts[0] (/data): fsopen nosuchfs"
                       : "mounts[0] (/data): mount nosuchfs");
  spec_.mounts.clear();
  AddBind("missing", "/data", {});
  ExpectError("mounts[0] (/data): source missing");
}

TEST_F(RootfsTest, RecursiveAttributesReachMountsBelow) {
  std::filesystem::create_directories(scratch_ / "volume/below");
  AddBind("volume", "/plain", {"ro"});
  AddBind("volume", "/all", {"rro"});
  InNamespaces(0, [&] {
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("tmpfs", (scratch_ / "volume/below").c_str(), "tmpfs", 0, ""), 0);
    auto rootfs = Build();
    ASSERT_TRUE(rootfs) << rootfs.error().message();
    ASSERT_TRUE(rootfs->Enter(RootChange::kPivot));
    EXPECT_EQ(ErrnoOfWrite("/plain/file"), EROFS);
    EXPECT_EQ(ErrnoOfWrite("/plain/below/file"), 0);
    EXPECT_EQ(ErrnoOfWrite("/all/below/file"), EROFS);
  });
}

TEST_F(RootfsTest, ATmpfsBeginsWithWhatLiesBeneathIt) {
  Write(root_ / "data/sub/file", "beneath");
  std::filesystem::create_symlink("sub/file", root_ / "data/link");
  ASSERT_EQ(chmod((root_ / "data/sub/file").c_str(), 04751), 0);
  ASSERT_EQ(chown((root_ / "data/sub").c_str(), 12, 34), 0);
  spec_.mounts = {{"/data", "tmpfs", "tmpfs", {"tmpcopyup", "ro"}, {}, {}}};
  Inside([] {
    EXPECT_EQ(Read("/data/link"), "beneath");
    struct stat status = {};
    ASSERT_EQ(stat("/data/sub/file", &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 04751U);
    ASSERT_EQ(stat("/data/sub", &status), 0);
    EXPECT_EQ(status.st_uid, 12U);
    EXPECT_EQ(status.st_gid, 34U);
    EXPECT_EQ(ErrnoOfWrite("/data/new"), EROFS);
  });
}

TEST_F(RootfsTest, LayersLongerThanAParameterMayBeAreMounted) {
  std::string layers;
  for (int i = 0; i < 12; ++i) {
    const std::filesystem::path layer =
        scratch_ / ("a-layer-with-a-long-name-" + std::to_string(i));
    Write(layer / std::to_string(i), "x");
    layers += (i == 0 ? "" : ":") + layer.native();
  }
  spec_.mounts = {{"/merged", "overlay", "overlay", {"lowerdir=" + layers}, {}, {}}};
  Inside([] {
    EXPECT_EQ(Read("/merged/0"), "x");
    EXPECT_EQ(Read("/merged/11"), "x");
  });
}

TEST_F(RootfsTest, NoMountShowsOnTheHostThoughTheRootIsShared) {
  AddUsualMounts();
  InNamespaces(0, [&] {
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_SHARED, nullptr), 0);
    const std::string before = Read("/proc/self/mountinfo");
    for (const char* propagation : {"", "rshared", "shared", "rslave", "rprivate", "unbindable"}) {
      spec_.on_linux.rootfs_propagation = propagation;
      InNamespaces(0, [&] {
        auto rootfs = Build();
        ASSERT_TRUE(rootfs) << rootfs.error().message();
        // While they are all there.
        const auto entered = rootfs->Enter(RootChange::kPivot);
        ASSERT_TRUE(entered) << entered.error().message();
        const std::string first = Read("/proc/self/mountinfo");
        EXPECT_EQ(first.substr(0, first.find('\n')).find("shared:") != std::string::npos,
                  std::string(propagation).ends_with("shared"));
      });
      EXPECT_EQ(Read("/proc/self/mountinfo"), before) << propagation;
    }
  });
}

TEST_F(RootfsTest, ControlGroupsAreShownWithTheirLinks) {
  Write(scratch_ / "groups/cpu/cpu.shares", "1024");
  cgroups_ = {{"cpu,cpuacct", "cpu,cpuacct", false, (scratch_ / "groups/cpu").native()},
              {"pids", "pids", false, (scratch_ / "groups").native()}};
  spec_.mounts = {{"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "ro"}, {}, {}}};
  Inside([] {
    EXPECT_EQ(Read("/sys/fs/cgroup/cpuacct/cpu.shares"), "1024");
    EXPECT_EQ(ErrnoOfWrite("/sys/fs/cgroup/pids/x"), EROFS);
    EXPECT_EQ(ErrnoOfWrite("/sys/fs/cgroup/x"), EROFS);
  });
  cgroups_ = {{"", "", true, (scratch_ / "groups").native()}};
  Inside([] { EXPECT_EQ(Read("/sys/fs/cgroup/cpu/cpu.shares"), "1024"); });
  cgroups_.clear();
  ExpectError("mounts[0] (/sys/fs/cgroup): type: there are no control groups");
}

TEST_F(RootfsTest, ATerminalIsShownAsTheConsole) {
  AddUsualMounts();
  InNamespaces(0, [&] {
    auto rootfs = Build();
    ASSERT_TRUE(rootfs) << rootfs.error().message();
    const os::Fd master(openat(rootfs->root().get(), "dev/pts/ptmx", O_RDWR | O_NOCTTY));
    ASSERT_TRUE(master.valid());
    ASSERT_EQ(unlockpt(master.get()), 0);
    const os::Fd slave(openat(rootfs->root().get(), "dev/pts/0", O_RDWR | O_NOCTTY));
    ASSERT_TRUE(slave.valid());
    const auto bound = rootfs->BindConsole(slave);
    ASSERT_TRUE(bound) << bound.error().message();
    ASSERT_TRUE(rootfs->Enter(RootChange::kPivot));
    struct stat console = {}, terminal = {};
    ASSERT_EQ(stat("/dev/console", &console), 0);
    ASSERT_EQ(stat("/dev/pts/0", &terminal), 0);
    EXPECT_EQ(console.st_rdev, terminal.st_rdev);
  });
}

}  // namespace
}  // namespace wasmoor::jail
