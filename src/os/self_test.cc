#include "wasmoor/os/self.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "support/child.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::os {
namespace {

constexpr const char* kAgain = "WASMOOR_TEST_AGAIN";

// What the program that was executed anew finds: it is this test again. While it runs nobody can
// write its file anyway (ETXTBSY); a handle that is kept until it ends could.
int FindProtection() {
  if (!ProtectSelf(nullptr)) return 1;  // There is nothing left to do.
  const int kept = ::open("/proc/self/exe", O_PATH);
  const std::string by_handle = "/proc/self/fd/" + std::to_string(kept);
  if (::access(by_handle.c_str(), W_OK) != 0) return errno == EROFS ? 0 : 2;
  // A file in memory lets itself be opened, and never written.
  const Fd opened(::open(by_handle.c_str(), O_RDONLY | O_CLOEXEC));
  const int seals = ::fcntl(opened.get(), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_WRITE) != 0 ? 0 : 3;
}

TEST(SelfTest, NoHandleOfAProtectedProgramCanWriteItsFile) {
  if (::getenv(kAgain) != nullptr) ::_exit(FindProtection());
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, who could write the file";
  EXPECT_EQ(test::InChild([] {
              ::setenv(kAgain, "1", 1);
              char name[] = "os_test";
              char filter[] = "--gtest_filter=SelfTest.NoHandle*";
              char* const arguments[] = {name, filter, nullptr};
              ProtectSelf(arguments).has_value();
              return 4;
            }),
            "exit 0");
}

}  // namespace
}  // namespace wasmoor::os
