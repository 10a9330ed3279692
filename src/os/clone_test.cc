#include "wasmoor/os/clone.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace wasmoor::os {
namespace {

ino_t NamespaceOf(const char* who, const char* type) {
  struct stat status = {};
  stat((std::string("/proc/") + who + "/ns/" + type).c_str(), &status);
  return status.st_ino;
}

int StatusOf(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

TEST(CloneTest, TheChildGoesOnWithACopyAndIsKnownByADescriptor) {
  int value = 1;
  const auto cloned = Clone({});
  ASSERT_TRUE(cloned.has_value()) << cloned.error().message();
  if (cloned->pid == 0) {
    value = 7;
    _exit(value);
  }
  pollfd wait = {cloned->process.get(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 10'000), 1);
  EXPECT_EQ(fcntl(cloned->process.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(StatusOf(cloned->pid), 7);
  EXPECT_EQ(value, 1);
}

TEST(CloneTest, TheChildStandsInNamespacesOfItsOwn) {
  const ino_t ours = NamespaceOf("self", "uts");
  const auto cloned = Clone({.namespaces = CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWPID});
  if (!cloned) GTEST_SKIP() << "needs user namespaces: " << cloned.error().message();
  if (cloned->pid == 0) _exit(getpid() == 1 && NamespaceOf("self", "uts") != ours ? 0 : 1);
  EXPECT_EQ(StatusOf(cloned->pid), 0);
}

TEST(CloneTest, AnotherNamespaceCanBeEntered) {
  const auto cloned = Clone({});
  ASSERT_TRUE(cloned.has_value());
  if (cloned->pid == 0) {
    const Fd before(open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
    const ino_t first = NamespaceOf("self", "uts");
    if (!Unshare(CLONE_NEWUTS)) _exit(2);
    if (NamespaceOf("self", "uts") == first) _exit(3);
    if (EnterNamespace(before, CLONE_NEWNET)) _exit(4);  // Of another type.
    if (!EnterNamespace(before, CLONE_NEWUTS)) _exit(5);
    _exit(NamespaceOf("self", "uts") == first ? 0 : 6);
  }
  const int status = StatusOf(cloned->pid);
  if (status == 2) GTEST_SKIP() << "needs CAP_SYS_ADMIN, for namespaces";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace wasmoor::os
