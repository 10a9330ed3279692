#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

// What tests share that need a process which may change itself, or end.
namespace wasmoor::test {

// A process that runs `body` and ends with the number that it returns; if it returns nothing, with
// 1 if an expectation in it failed, else 0. It does not outlive the object.
class Child {
 public:
  template <typename Body>
  explicit Child(const Body& body) : pid_(::fork()) {
    if (pid_ != 0) return;
    int status = 0;
    if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
      body();
      status = ::testing::Test::HasFailure() ? 1 : 0;
    } else {
      status = body();
    }
    ::fflush(nullptr);
    ::_exit(status);
  }
  ~Child() { Kill(); }
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&&) = delete;

  pid_t pid() const { return pid_; }

  // How it ended: "exit 3", "signal 31". Once.
  std::string Wait() {
    int status = 0;
    if (::waitpid(std::exchange(pid_, -1), &status, 0) < 0) return "no such child";
    return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                               : "exit " + std::to_string(WEXITSTATUS(status));
  }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    Wait();
  }

 private:
  pid_t pid_;
};

// How a process ends that runs `body`.
inline std::string InChild(const std::function<int()>& body) { return Child(body).Wait(); }

}  // namespace wasmoor::test
