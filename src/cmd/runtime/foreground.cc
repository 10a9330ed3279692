#include "cmd/runtime/foreground.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "cmd/runtime/terminal_pump.h"

namespace wasmoor::cmd {
namespace {

constexpr int kSignalStatus = 128;

// Signals that mean this process, not the one that it stands for: its own faults, and a shell's
// control of jobs.
constexpr std::array kOwn = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT,
                             SIGSYS,  SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};
// Taken and not passed on: SIGPIPE is an error of write(2) here.
constexpr std::array kDropped = {SIGCHLD, SIGPIPE, SIGURG, SIGWINCH};

// Passes on what has arrived; whether the terminal has another size.
bool TakeSignals(const os::Fd& signals, pid_t process) {
  bool resized = false;
  struct signalfd_siginfo one = {};
  while (::read(signals.get(), &one, sizeof(one)) == sizeof(one)) {
    const int signal = static_cast<int>(one.ssi_signo);
    resized |= signal == SIGWINCH;
    // Not waited for yet, so the number is still its own.
    if (std::find(kDropped.begin(), kDropped.end(), signal) == kDropped.end())
      ::kill(process, signal);
  }
  return resized;
}

Result<int> StatusOf(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) != process) {
    if (errno != EINTR) return FailErrno(errno, "wait for process {}", process);
  }
  return WIFSIGNALED(status) ? kSignalStatus + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<Foreground> Foreground::Begin() {
  sigset_t signals;
  sigfillset(&signals);
  for (int signal : kOwn) sigdelset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  os::Fd taken(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!taken.valid()) return FailErrno(errno, "signalfd");
  return Foreground(std::move(taken));
}

Result<int> Foreground::Wait(const jail::Started& started) const {
  std::optional<TerminalPump> pump;
  if (started.terminal.valid()) pump.emplace(started.terminal);
  for (;;) {
    enum : size_t { kSignals, kEnd, kOwnCount };
    std::array<struct pollfd, kOwnCount + std::tuple_size_v<TerminalPump::Waiting>> waiting;
    waiting[kSignals] = {.fd = signals_.get(), .events = POLLIN, .revents = 0};
    waiting[kEnd] = {.fd = started.process.get(), .events = POLLIN, .revents = 0};
    TerminalPump::Waiting pumped = {};
    for (struct pollfd& one : pumped) one.fd = -1;
    if (pump) pumped = pump->Wanted();
    std::copy(pumped.begin(), pumped.end(), waiting.begin() + kOwnCount);
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return FailErrno(errno, "poll");
    }
    if (waiting[kSignals].revents != 0 && TakeSignals(signals_, started.pid) && pump)
      pump->TakeSize();
    if (pump) {
      std::copy(waiting.begin() + kOwnCount, waiting.end(), pumped.begin());
      pump->Move(pumped);
    }
    if (waiting[kEnd].revents == 0) continue;
    if (pump) pump->TakeLastWords();
    return StatusOf(started.pid);
  }
}

}  // namespace wasmoor::cmd
