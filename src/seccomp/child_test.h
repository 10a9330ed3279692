#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "wasmoor/seccomp/program.h"

// What the tests of filters share: a process that puts one on itself.
namespace wasmoor::seccomp {

template <typename T>
T Must(Result<T> result) {
  if (!result) {
    fprintf(stderr, "unexpected error: %s\n", result.error().message().c_str());
    abort();
  }
  return std::move(*result);
}

// Runs `body` in a process of its own and says how that ended: "exit 3", "signal 31". Its number
// is the exit status.
inline std::string InChild(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                             : "exit " + std::to_string(WEXITSTATUS(status));
}

constexpr int kNotInstalled = 250;

// The same below a filter.
inline std::string Below(const Program& program, const std::function<int()>& body) {
  return InChild([&] {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const auto installed = Install(program);
    return installed ? body() : kNotInstalled;
  });
}

}  // namespace wasmoor::seccomp
