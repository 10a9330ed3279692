#include "cmd/functions/lines.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <utility>

#include "wasmoor/os/signal.h"

namespace wasmoor::cmd {
namespace {

constexpr size_t kMostWaiting = 1 << 20;
constexpr std::chrono::milliseconds kLook{100}, kLastPatience{1000};

size_t LinesIn(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

Lines::Lines(int descriptor) : descriptor_(descriptor) {
  // The process's signals are for its other threads.
  const os::SignalsHeld held;
  thread_ = std::thread([this] { Carry(); });
}

Lines::~Lines() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  come_.notify_one();
  thread_.join();
}

void Lines::Write(std::string_view lines) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + lines.size() > kMostWaiting) {
      lost_ += LinesIn(lines);
      return;
    }
    waiting_ += lines;
  }
  come_.notify_one();
}

// A pipe that is ready takes so much at once (pipe(7)), whoever else writes there, and the
// descriptor, which others share, can stay one that blocks.
bool Lines::WaitForRoom() {
  std::chrono::milliseconds waited{0};
  struct pollfd room = {.fd = descriptor_, .events = POLLOUT, .revents = 0};
  while (::poll(&room, 1, kLook.count()) <= 0) {
    const std::lock_guard lock(mutex_);
    waited += ending_ ? kLook : kLook * 0;
    if (waited >= kLastPatience) return false;
  }
  return true;
}

void Lines::Carry() {
  for (;;) {
    std::string text;
    {
      std::unique_lock lock(mutex_);
      come_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      text = std::exchange(waiting_, {});
      if (lost_ > 0)
        text += fmt::format("({} lines were lost here: nobody has read them)\n", lost_);
      lost_ = 0;
    }
    std::string_view rest = text;
    while (!rest.empty()) {
      if (!WaitForRoom()) return;
      const ssize_t size =
          ::write(descriptor_, rest.data(), std::min<size_t>(rest.size(), PIPE_BUF));
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) break;  // If nobody reads it, nobody minds.
      rest.remove_prefix(static_cast<size_t>(size));
    }
  }
}

}  // namespace wasmoor::cmd
