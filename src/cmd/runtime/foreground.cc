#include "cmd/runtime/foreground.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

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

void Foreground::Attach(const jail::Started& process) {
  process_ = &process;
  if (process.terminal.valid()) pump_ = std::make_unique<TerminalPump>(process.terminal);
}

Result<int> Foreground::Wait() {
  for (;;) {
    enum : size_t { kSignals, kEnd, kOwnCount };
    std::array<struct pollfd, kOwnCount + std::tuple_size_v<TerminalPump::Waiting>> waiting;
    waiting[kSignals] = {.fd = signals_.get(), .events = POLLIN, .revents = 0};
    waiting[kEnd] = {.fd = process_->process.get(), .events = POLLIN, .revents = 0};
    TerminalPump::Waiting pumped = {};
    for (struct pollfd& one : pumped) one.fd = -1;
    if (pump_) pumped = pump_->Wanted();
    std::copy(pumped.begin(), pumped.end(), waiting.begin() + kOwnCount);
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return FailErrno(errno, "poll");
    }
    if (waiting[kSignals].revents != 0 && TakeSignals(signals_, process_->pid) && pump_)
      pump_->TakeSize();
    if (pump_) {
      std::copy(waiting.begin() + kOwnCount, waiting.end(), pumped.begin());
      pump_->Move(pumped);
    }
    if (waiting[kEnd].revents == 0) continue;
    if (pump_) pump_->TakeLastWords();
    return StatusOf(process_->pid);
  }
}

std::optional<oci::ConsoleSize> OwnTerminalSize() {
  struct winsize size = {};
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::ioctl(stream, TIOCGWINSZ, &size) == 0)
      return oci::ConsoleSize{.height = size.ws_row, .width = size.ws_col};
  }
  return std::nullopt;
}

}  // namespace wasmoor::cmd
