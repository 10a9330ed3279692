#include "jail/id_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "wasmoor/os/clone.h"

namespace wasmoor::jail {
namespace {

using ::testing::HasSubstr;

std::string Words(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  for (std::string word; file >> word;) text += (text.empty() ? "" : " ") + word;
  return text;
}

// A process in a user namespace of its own that waits.
class Sleeper {
 public:
  Sleeper() {
    auto cloned = os::Clone({.namespaces = CLONE_NEWUSER});
    if (!cloned) return;
    if (cloned->pid == 0) {
      pause();
      _exit(0);
    }
    pid = cloned->pid;
  }
  ~Sleeper() {
    if (pid <= 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  std::string File(const char* name) const {
    return Words("/proc/" + std::to_string(pid) + "/" + name);
  }

  pid_t pid = -1;
};

#define REQUIRE_ROOT() \
  if (geteuid() != 0) GTEST_SKIP() << "needs root, who may write any map"

TEST(IdMapTest, RootWritesWhatItIsAskedFor) {
  REQUIRE_ROOT();
  const Sleeper sleeper;
  ASSERT_GT(sleeper.pid, 0);
  const std::vector<oci::IdMapping> uids = {{0, 100000, 1000}, {1000, 5, 1}};
  const std::vector<oci::IdMapping> gids = {{0, 200000, 65536}};
  const Status written = WriteIdMaps(sleeper.pid, uids, gids);
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(sleeper.File("uid_map"), "0 100000 1000 1000 5 1");
  EXPECT_EQ(sleeper.File("gid_map"), "0 200000 65536");
}

TEST(IdMapTest, MapsThatOverlapAreRefusedByName) {
  REQUIRE_ROOT();
  const Sleeper sleeper;
  const std::vector<oci::IdMapping> uids = {{0, 100000, 1000}, {5, 300000, 1}};
  const Status written = WriteIdMaps(sleeper.pid, uids, {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(written.error().message(), HasSubstr("linux.uidMappings"));
}

TEST(IdMapTest, AProcessThatIsGoneIsAnError) {
  const Status written = WriteIdMaps(0x3ffffff, {}, {});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), Code::kNotFound);
}

// In a child that gives its rights up: what it does is told by its status.
int AsUser(uid_t user, int (*test)()) {
  const pid_t child = fork();
  if (child == 0) {
    if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) _exit(100);
    prctl(PR_SET_DUMPABLE, 1);  // As after an exec: its files in /proc are its own.
    _exit(test());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(IdMapTest, AUserMapsTheirOwnIdWithoutHelp) {
  REQUIRE_ROOT();
  const int status = AsUser(4711, [] {
    const Sleeper sleeper;
    if (sleeper.pid < 0) return 99;
    const std::vector<oci::IdMapping> ids = {{0, 4711, 1}};
    if (!WriteIdMaps(sleeper.pid, ids, ids)) return 1;
    if (sleeper.File("uid_map") != "0 4711 1" || sleeper.File("gid_map") != "0 4711 1") return 2;
    return sleeper.File("setgroups") == "deny" ? 0 : 3;
  });
  if (status == 99) GTEST_SKIP() << "needs user namespaces for users";
  EXPECT_EQ(status, 0);
}

TEST(IdMapTest, AUserWithoutSubordinateIdsIsToldWhatIsMissing) {
  REQUIRE_ROOT();
  const int status = AsUser(4711, [] {
    const Sleeper sleeper;
    if (sleeper.pid < 0) return 99;
    const std::vector<oci::IdMapping> ids = {{0, 100000, 65536}};
    const Status written = WriteIdMaps(sleeper.pid, ids, ids);
    if (written) return 1;
    return written.error().message().find("linux.gidMappings") != std::string::npos ? 0 : 2;
  });
  if (status == 99) GTEST_SKIP() << "needs user namespaces for users";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace wasmoor::jail
