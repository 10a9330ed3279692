#include "wasmoor/os/output.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <vector>

#include "wasmoor/os/fd.h"

namespace wasmoor::os {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSignalStatus = 128;

// `input` may be none: /dev/null. Nothing else that is open here is open there.
Result<pid_t> Spawn(const std::string& program, std::span<const std::string> arguments,
                    const Fd& input, const Fd& output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (input.valid()) {
    posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return FailErrno(error, "start {}", program);
  return pid;
}

// Reads until the end or `until`; false if it was the latter.
bool ReadUntil(const Fd& pipe, Clock::time_point until, size_t most_bytes, std::string* text) {
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return false;
    struct pollfd waiting = {.fd = pipe.get(), .events = POLLIN, .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    const ssize_t got = read(pipe.get(), buffer.data(), buffer.size());
    if (got <= 0) return true;
    const size_t room = most_bytes - text->size();
    text->append(buffer.data(), std::min<size_t>(static_cast<size_t>(got), room));
  }
}

// The program may have closed its output and live on.
bool WaitUntil(pid_t pid, Clock::time_point until, int* status) {
  constexpr struct timespec kPause = {.tv_sec = 0, .tv_nsec = 1'000'000};
  for (;;) {
    const pid_t ended = waitpid(pid, status, WNOHANG);
    if (ended == pid || (ended < 0 && errno != EINTR)) return true;
    if (Clock::now() >= until) return false;
    nanosleep(&kPause, nullptr);
  }
}

Result<Output> RunAndRead(const std::string& program, std::span<const std::string> arguments,
                          const Fd& input, std::chrono::milliseconds patience, size_t most_bytes) {
  const auto until = Clock::now() + patience;
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "pipe");
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t pid = TRY(Spawn(program, arguments, input, writing));
  writing.Close();
  Output output;
  int status = 0;
  if (!ReadUntil(reading, until, most_bytes, &output.text) || !WaitUntil(pid, until, &status)) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return Fail(Code::kDeadlineExceeded, "{}: no answer within {} ms", program, patience.count());
  }
  output.status = WIFSIGNALED(status) ? kSignalStatus + WTERMSIG(status) : WEXITSTATUS(status);
  return output;
}

}  // namespace

std::optional<std::string> FindProgram(std::string_view name) {
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (!folder.starts_with('/')) continue;
    std::string path = fmt::format("{}/{}", folder, name);
    struct stat status;
    if (stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        access(path.c_str(), X_OK) == 0)
      return path;
  }
  return std::nullopt;
}

Result<Output> ReadOutput(const std::string& program, std::span<const std::string> arguments,
                          std::chrono::milliseconds patience, size_t most_bytes) {
  return RunAndRead(program, arguments, Fd(), patience, most_bytes);
}

Result<Output> ReadOutputOfSelf(std::span<const std::string> arguments, const Fd& input,
                                std::chrono::milliseconds patience) {
  return RunAndRead("/proc/self/exe", arguments, input, patience, kUsualOutput);
}

}  // namespace wasmoor::os
