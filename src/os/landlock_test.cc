#include "wasmoor/os/landlock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>

#include "support/child.h"
#include "support/scratch.h"
#include "wasmoor/os/features.h"

namespace wasmoor::os {
namespace {

constexpr int kNeedsTcpRules = 4, kNeedsDeviceRules = 5, kNeedsScopes = 6;

// A tree that a process of its own restricts itself to, and a place beside it.
class LandlockTest : public ::testing::Test {
 protected:
  LandlockTest() {
    for (const char* name : {"tree", "tree/one", "tree/two", "beside"})
      std::filesystem::create_directory(top_ / name);
    top_.Write("tree/one/file", "text");
    top_.Write("beside/file", "text");
    std::filesystem::copy_file("/proc/self/exe", top_ / "tree/program");
  }

  void SetUp() override {
    if (ProbeLandlock().abi < 2) GTEST_SKIP() << "the kernel has no Landlock of ABI 2 or later";
  }

  // How a process ends that restricts itself and then runs `body`.
  std::string Restricted(const std::function<int()>& body) const {
    return test::InChild([&] {
      if (chdir(top_.path().c_str()) != 0) return 250;
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      const Fd tree(open("tree", O_PATH | O_DIRECTORY | O_CLOEXEC));
      const auto abi = RestrictToTree(tree);
      return abi && *abi == ProbeLandlock().abi ? body() : 251;
    });
  }

  const test::ScratchDirectory top_;
};

// How a call that gives 0 or more, or -1 and errno, ended.
int ErrnoOf(long result) { return result >= 0 ? 0 : errno; }

std::string Fails(int error) { return "exit " + std::to_string(error); }
const std::string kWorks = Fails(0);

TEST_F(LandlockTest, WhatIsBeneathTheTreeIsUsedAsBefore) {
  const std::string failed = Restricted([] {
    int bad = 0;
    bad += open("tree/one/file", O_RDWR | O_TRUNC) < 0;
    bad += open("tree/one/new", O_WRONLY | O_CREAT, 0600) < 0;
    bad += open("tree/one", O_RDONLY | O_DIRECTORY) < 0;
    bad += rename("tree/one/new", "tree/two/new") != 0;
    bad += link("tree/two/new", "tree/one/again") != 0;
    bad += symlink("x", "tree/link") != 0;
    bad += mkdir("tree/three", 0700) != 0;
    bad += rmdir("tree/three") != 0;
    bad += unlink("tree/two/new") != 0;
    return bad;
  });
  EXPECT_EQ(failed, kWorks);
}

TEST_F(LandlockTest, WhatIsElsewhereIsForbidden) {
  EXPECT_EQ(Restricted([] { return ErrnoOf(open("beside/file", O_RDONLY)); }), Fails(EACCES));
  EXPECT_EQ(Restricted([] { return ErrnoOf(open("beside", O_RDONLY)); }), Fails(EACCES));
  EXPECT_EQ(Restricted([] { return ErrnoOf(open("beside/new", O_WRONLY | O_CREAT, 0600)); }),
            Fails(EACCES));
  EXPECT_NE(Restricted([] { return ErrnoOf(rename("tree/one/file", "beside/moved")); }), kWorks);
}

TEST_F(LandlockTest, NothingIsExecutedAndNoDeviceMade) {
  const auto execute = [] {
    execl("tree/program", "program", nullptr);
    return errno;
  };
  EXPECT_EQ(Restricted(execute), Fails(EACCES));
  EXPECT_EQ(Restricted([] { return ErrnoOf(mkfifo("tree/fifo", 0600)); }), Fails(EACCES));
  EXPECT_EQ(Restricted([] { return ErrnoOf(mknod("tree/null", S_IFCHR | 0600, makedev(1, 3))); }),
            Fails(EACCES));
}

TEST_F(LandlockTest, NoTcpSocketIsBoundOrConnected) {
  if (ProbeLandlock().abi < kNeedsTcpRules) GTEST_SKIP() << "Landlock knows TCP from ABI 4 on";
  const auto bound = [] {
    const Fd socket(::socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET};
    return ErrnoOf(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  };
  EXPECT_EQ(Restricted(bound), Fails(EACCES));
  const auto connected = [] {
    const Fd socket(::socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ErrnoOf(connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  };
  EXPECT_EQ(Restricted(connected), Fails(EACCES));
}

TEST_F(LandlockTest, NobodyOutsideIsSignalled) {
  if (ProbeLandlock().abi < kNeedsScopes) GTEST_SKIP() << "Landlock knows scopes from ABI 6 on";
  const pid_t self = getpid();
  EXPECT_EQ(Restricted([self] { return ErrnoOf(kill(self, 0)); }), Fails(EPERM));
}

TEST_F(LandlockTest, DevicesOpenedLaterTakeNoIoctl) {
  if (ProbeLandlock().abi < kNeedsDeviceRules) GTEST_SKIP() << "Landlock knows ioctl from ABI 5 on";
  if (geteuid() != 0) GTEST_SKIP() << "needs CAP_MKNOD, for a device in the tree";
  ASSERT_EQ(mknod((top_ / "tree/null").c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
  const std::string answer = Restricted([] {
    const Fd device(open("tree/null", O_RDWR | O_NOCTTY));
    if (!device.valid()) return 0;
    struct winsize size;
    return ErrnoOf(ioctl(device.get(), TIOCGWINSZ, &size));
  });
  if (answer == kWorks) GTEST_SKIP() << "devices do not work in the folder of temporary files";
  // The device itself would say ENOTTY.
  EXPECT_EQ(answer, Fails(EACCES));
}

}  // namespace
}  // namespace wasmoor::os
