#include "jail/mount_testing.h"

#include <sched.h>
#include <sys/wait.h>

namespace wasmoor::jail {
namespace {

constexpr int kNoNamespace = 77;

}  // namespace

void ScratchRoot::InNamespaces(int flags, const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (unshare(CLONE_NEWNS | flags) != 0) _exit(kNoNamespace);
    body();
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoNamespace)
    GTEST_SKIP() << "needs the right to make namespaces";
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

}  // namespace wasmoor::jail
