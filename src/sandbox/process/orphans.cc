#include "wasmoor/sandbox/process/orphans.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

constexpr std::chrono::seconds kBetweenLooks{5};
constexpr size_t kMostText = 1 << 20;

// proc_pid_task(5), "children": numbers with a space after each.
std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  const std::string path = fmt::format("/proc/self/task/{}/children", ::getpid());
  const auto file = os::OpenAt(os::Fd(), path.c_str(), O_RDONLY);
  const auto text = file ? os::ReadAll(*file, kMostText) : tl::unexpected(file.error());
  if (!text) return children;
  const char* at = reinterpret_cast<const char*>(text->data());
  const char* const end = at + text->size();
  for (pid_t pid = 0; at < end; ++at) {
    const auto [rest, failed] = std::from_chars(at, end, pid);
    if (failed != std::errc()) break;
    children.push_back(pid);
    at = rest;
  }
  return children;
}

bool HasEnded(pid_t pid) {
  siginfo_t child = {};
  const int waited = ::waitid(P_PID, static_cast<id_t>(pid), &child, WEXITED | WNOHANG | WNOWAIT);
  return waited == 0 && child.si_pid == pid;
}

}  // namespace

Orphans::Orphans(loop::Loop& loop) : loop_(loop) {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  signals_ = os::Fd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  auto source = loop_.Watch(signals_);
  // Then they stay until this process ends, which is all that is lost.
  if (!source) return;
  source_ = std::move(*source);
  source_.OnReadable([this] {
    std::array<struct signalfd_siginfo, 16> signals;
    while (::read(signals_.get(), signals.data(), sizeof(signals)) > 0) continue;
    if (!next_.pending()) next_ = loop_.After(kBetweenLooks, [this] { Look(); });
  });
}

void Orphans::Look() {
  std::set<pid_t> zombies;
  for (const pid_t pid : Children()) {
    if (!HasEnded(pid)) continue;
    if (seen_.contains(pid)) {
      ::waitpid(pid, nullptr, WNOHANG);
    } else {
      zombies.insert(pid);
    }
  }
  seen_ = std::move(zombies);
  if (!seen_.empty()) next_ = loop_.After(kBetweenLooks, [this] { Look(); });
}

}  // namespace wasmoor::sandbox
