#include "jail/hook.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>

#include "jail/spawn_hook.h"
#include "wasmoor/os/process.h"

namespace wasmoor::jail {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostOutput = 4096;  // Of what a hook printed, kept for the message.

struct Pipe {
  os::Fd in, out;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "pipe");
  Pipe pipe{os::Fd(ends[1]), os::Fd(ends[0])};
  ::fcntl(pipe.out.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

// A hook that runs, in a process group of its own; killed with it if this is destroyed before its
// end.
class Running {
 public:
  Running(os::Cloned process, os::Fd output)
      : pid_(process.pid), pidfd_(std::move(process.process)), output_(std::move(output)) {}
  Running(Running&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)),
        pidfd_(std::move(other.pidfd_)),
        output_(std::move(other.output_)) {}
  ~Running() {
    if (pid_ == 0) return;
    ::kill(-pid_, SIGKILL);
    Reap();
  }

  // False if it is not over by then. What it leaves running and printing is not waited for.
  bool Wait(std::optional<Clock::time_point> until) {
    for (;;) {
      std::array<pollfd, 2> wait = {{{pidfd_.get(), POLLIN, 0}, {output_.get(), POLLIN, 0}}};
      int left = -1;
      if (until) {
        const auto time =
            std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
        left = static_cast<int>(std::clamp<int64_t>(time, 0, INT32_MAX));
      }
      const int ready = ::poll(wait.data(), output_.valid() ? 2 : 1, left);
      if (ready == 0) return false;
      if (output_.valid() && wait[1].revents != 0) Collect();
      if (wait[0].revents != 0) break;
    }
    if (output_.valid()) Collect();
    status_ = Reap();
    pid_ = 0;
    return true;
  }

  int status() const { return status_; }
  std::string printed() const {
    const size_t end = printed_.find_last_not_of(" \n\r\t");
    return printed_.substr(0, end == std::string::npos ? 0 : end + 1);
  }

 private:
  void Collect() {
    std::array<char, kMostOutput> piece;
    const ssize_t got = ::read(output_.get(), piece.data(), piece.size());
    if (got == 0) output_.Close();
    if (got <= 0) return;
    const size_t fits = std::min(static_cast<size_t>(got), kMostOutput - printed_.size());
    printed_.append(piece.data(), fits);
  }

  int Reap() const {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    return status;
  }

  pid_t pid_;
  os::Fd pidfd_, output_;
  std::string printed_;
  int status_ = 0;
};

Result<Running> Start(const oci::Hook& hook, const std::string& state) {
  // A file and not a pipe: a hook need not read its input.
  const os::Fd input = TRY(
      os::FileInMemory("state", {reinterpret_cast<const uint8_t*>(state.data()), state.size()}));
  Pipe output = TRY(MakePipe());
  os::Cloned process = TRY(SpawnHook(hook, input, output.in));
  return Running(std::move(process), std::move(output.out));
}

Status RunHook(const oci::Hook& hook, const std::string& state) {
  Running running = TRY(Start(hook, state));
  std::optional<Clock::time_point> until;
  if (hook.timeout) until = Clock::now() + std::chrono::seconds(*hook.timeout);
  if (!running.Wait(until)) {
    return Fail(Code::kDeadlineExceeded, "did not end within {} s and was killed", *hook.timeout);
  }
  const int status = running.status();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  std::string end = WIFSIGNALED(status) ? fmt::format("was ended by signal {}", WTERMSIG(status))
                                        : fmt::format("exited with status {}", WEXITSTATUS(status));
  if (const std::string printed = running.printed(); !printed.empty()) end += ": " + printed;
  return Fail(Code::kAborted, "{}", end);
}

}  // namespace

Status RunHooks(std::span<const oci::Hook> hooks, std::string_view name, const oci::State& state) {
  if (hooks.empty()) return {};
  const std::string text = ToJson(state);
  for (size_t i = 0; i < hooks.size(); ++i)
    TRY_AS(RunHook(hooks[i], text), "hooks.{}[{}] ({})", name, i, hooks[i].path);
  return {};
}

std::vector<std::string> RunEveryHook(std::span<const oci::Hook> hooks, std::string_view name,
                                      const oci::State& state) {
  std::vector<std::string> problems;
  for (size_t i = 0; i < hooks.size(); ++i) {
    const Status ran = RunHook(hooks[i], ToJson(state));
    if (!ran) {
      problems.push_back(
          fmt::format("hooks.{}[{}] ({}): {}", name, i, hooks[i].path, ran.error().message()));
    }
  }
  return problems;
}

}  // namespace wasmoor::jail
