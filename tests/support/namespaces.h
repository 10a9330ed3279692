#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <functional>

#include "support/child.h"

namespace wasmoor::test {

// A mount namespace of its own for the calling process, which must be a Child: nothing that is
// mounted in it is seen outside. False without the right to.
inline bool EnterOwnMounts() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// Runs `body` in a process with a new mount namespace, and namespaces of `flags` (CLONE_NEW…),
// which take what is mounted along when it ends. Expectations that fail there are printed and fail
// the test here; the test is skipped without the right to make namespaces.
inline void InNamespaces(int flags, const std::function<void()>& body) {
  constexpr int kNoNamespace = 77;
  const std::string ended = InChild([&] {
    if (::unshare(CLONE_NEWNS | flags) != 0) return kNoNamespace;
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kNoNamespace;
    body();
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  if (ended == "exit " + std::to_string(kNoNamespace))
    GTEST_SKIP() << "needs CAP_SYS_ADMIN, for namespaces";
  EXPECT_EQ(ended, "exit 0");
}

}  // namespace wasmoor::test
