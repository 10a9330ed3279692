#include "wasmoor/os/features.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "wasmoor/os/fd.h"
#include "wasmoor/os/output.h"

namespace wasmoor::os {
namespace {

using ::testing::HasSubstr;

int OpenDescriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

TEST(FeaturesTest, EveryProbeAgreesWithTheCallMadeByHand) {
  errno = 0;
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U);
  const int error = abi < 0 ? errno : 0;
  const Landlock landlock = ProbeLandlock();
  EXPECT_EQ(landlock.support.yes(), abi > 0);
  EXPECT_EQ(landlock.abi, abi > 0 ? abi : 0);
  EXPECT_EQ(landlock.support.error_number, error);

  const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  EXPECT_EQ(ProbePidfd().yes(), pidfd.valid());

  const Fd kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm.valid()) {
    EXPECT_FALSE(ProbeKvm().yes());
  }
}

TEST(FeaturesTest, WhatItsOwnTestsNeedIsThere) {
  // The tests of WASI use openat2, those of the executable pidfds: without them nothing here would
  // run.
  EXPECT_TRUE(ProbeOpenat2().yes());
  EXPECT_TRUE(ProbePidfd().yes());
  EXPECT_TRUE(ProbeAddressSpace(1 << 20));
}

TEST(FeaturesTest, AnAnswerOfNoHasAReason) {
  for (auto* probe : {ProbeOpenat2, ProbePidfd, ProbeClone3, ProbeSeccompFilter, ProbeSeccompNotify,
                      ProbeMountApi, ProbeIdmappedMounts, ProbeUserfaultfd, ProbeIoUring,
                      ProbeProtectionKeys, ProbeKvm}) {
    const Support support = probe();
    EXPECT_EQ(support.yes(), support.error_number == 0);
  }
}

TEST(FeaturesTest, NoProbeLeavesADescriptor) {
  const int before = OpenDescriptors();
  for (auto* probe : {ProbeOpenat2, ProbePidfd, ProbeClone3, ProbeMountApi, ProbeUserfaultfd,
                      ProbeIoUring, ProbeProtectionKeys, ProbeKvm})
    static_cast<void>(probe());
  static_cast<void>(ProbeUnixSocket("/nowhere"));
  static_cast<void>(FindCgroups());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(FeaturesTest, MoreAddressSpaceThanACpuHasIsRefused) {
  EXPECT_FALSE(ProbeAddressSpace(uint64_t{1} << 62));
}

TEST(FeaturesTest, AFilesystemIsFoundWhereTheKernelListsIt) {
  EXPECT_EQ(FindFilesystem("proc"), Filesystem::kPresent);
  EXPECT_EQ(FindFilesystem("no-such-filesystem"), Filesystem::kAbsent);
}

TEST(FeaturesTest, ControlGroupsAreThoseThatAreMounted) {
  std::ifstream file("/proc/self/mountinfo");
  const std::string mounts{std::istreambuf_iterator<char>(file), {}};
  const bool any = mounts.find(" - cgroup") != std::string::npos;
  const auto groups = FindCgroups();
  EXPECT_EQ(!groups.empty(), any);
  for (const Cgroup& group : groups) {
    EXPECT_THAT(mounts, HasSubstr(" " + group.mount + " "));
    EXPECT_TRUE(std::filesystem::is_directory(group.directory)) << group.directory;
    EXPECT_EQ(group.writable, group.problem.empty());
    EXPECT_TRUE(group.version == 1 || group.version == 2);
  }
}

TEST(FeaturesTest, ASysctlIsANumberOrNothing) {
  EXPECT_GT(ReadSysctl("vm/max_map_count").value_or(0), 0);
  EXPECT_FALSE(ReadSysctl("kernel/ostype"));
  EXPECT_FALSE(ReadSysctl("no/such"));
}

TEST(FeaturesTest, ASocketAnswersWhileSomebodyListens) {
  const std::string path = testing::TempDir() + "features-" + std::to_string(getpid());
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(ProbeUnixSocket(path).error_number, ENOENT);
  {
    const Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener.get(), 1), 0);
    EXPECT_TRUE(ProbeUnixSocket(path).yes());
  }
  EXPECT_EQ(ProbeUnixSocket(path).error_number, ECONNREFUSED);
  unlink(path.c_str());
}

// In a process of its own, which the probe uses up. Its status is the number of namespaces it got.
int NamespacesGot(bool as_nobody) {
  const pid_t child = fork();
  if (child == 0) {
    int got = 0;
    for (const Support& support : TryNamespaces(as_nobody)) got += support.yes() ? 1 : 0;
    _exit(got);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(FeaturesTest, NamespacesAreMadeWhereTheKernelLetsThem) {
  const auto own = [] { return std::filesystem::read_symlink("/proc/self/ns/mnt"); };
  const auto before = own();
  if (geteuid() == 0) {
    EXPECT_GT(NamespacesGot(false), 0);
  }
  static_cast<void>(NamespacesGot(true));
  EXPECT_EQ(own(), before);
}

TEST(OutputTest, TheOutputAndStatusOfAProgramAreRead) {
  const auto shell = FindProgram("sh");
  ASSERT_TRUE(shell);
  const std::vector<std::string> words = {"sh", "-c", "echo out; echo err >&2; exit 3"};
  const auto output = ReadOutput(*shell, words, std::chrono::seconds(10));
  ASSERT_TRUE(output);
  EXPECT_EQ(output->text, "out\n");
  EXPECT_EQ(output->status, 3);
}

TEST(OutputTest, AProgramThatDoesNotEndIsKilled) {
  const auto shell = FindProgram("sh");
  ASSERT_TRUE(shell);
  const std::vector<std::string> words = {"sh", "-c", "exec sleep 1000"};
  const auto output = ReadOutput(*shell, words, std::chrono::milliseconds(50));
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code(), Code::kDeadlineExceeded);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // Nobody is left.
}

TEST(OutputTest, AProgramThatIsNotThereIsNotFound) {
  EXPECT_FALSE(FindProgram("no-such-program"));
  const std::vector<std::string> words = {"x"};
  EXPECT_FALSE(ReadOutput("/no/such/program", words, std::chrono::seconds(1)));
}

}  // namespace
}  // namespace wasmoor::os
