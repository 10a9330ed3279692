#include "cmd/runtime/terminal_pump.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace wasmoor::cmd {
namespace {

// A write of so much does not block where poll(2) says that there is room (pipe(7), PIPE_BUF).
constexpr size_t kPiece = 4096;

enum : size_t { kInput, kMaster, kOutput };

}  // namespace

TerminalPump::TerminalPump(const os::Fd& master) : master_(master) {
  ::fcntl(master_.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (terminal_ < 0 && ::isatty(stream) != 0) terminal_ = stream;
  }
  TakeSize();
  struct termios settings = {};
  // Raw mode is for what is typed: not if that comes from elsewhere.
  if (::isatty(STDIN_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &settings) != 0) return;
  settings_ = settings;
  ::cfmakeraw(&settings);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
}

TerminalPump::~TerminalPump() {
  // Waits for the output to be shown as it was meant.
  if (settings_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &*settings_);
}

void TerminalPump::TakeSize() {
  struct winsize size = {};
  if (terminal_ >= 0 && ::ioctl(terminal_, TIOCGWINSZ, &size) == 0)
    ::ioctl(master_.get(), TIOCSWINSZ, &size);
}

TerminalPump::Waiting TerminalPump::Wanted() const {
  Waiting waiting;
  const bool reads_input = input_open_ && input_.empty();
  waiting[kInput] = {.fd = reads_input ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
  short events = 0;
  if (output_.empty()) events |= POLLIN;
  if (!input_.empty()) events |= POLLOUT;
  waiting[kMaster] = {
      .fd = output_open_ && events != 0 ? master_.get() : -1, .events = events, .revents = 0};
  waiting[kOutput] = {.fd = output_.empty() ? -1 : STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return waiting;
}

void TerminalPump::Move(const Waiting& ready) {
  if (ready[kInput].revents != 0) ReadInput();
  if ((ready[kMaster].revents & POLLOUT) != 0) WriteInput();
  if ((ready[kMaster].revents & ~POLLOUT) != 0) ReadOutput();
  if (ready[kOutput].revents != 0) WriteOutput();
}

void TerminalPump::ReadInput() {
  std::array<char, kPiece> piece;
  const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got > 0) {
    input_.assign(piece.data(), static_cast<size_t>(got));
    last_typed_ = input_.back();
    return;
  }
  input_open_ = false;
  // The end of a file is a key on a terminal, which ends the line if it is not at its beginning
  // (termios(3), VEOF).
  constexpr char kEndOfFile = 'D' & 0x1f;
  input_.assign(last_typed_ == '\n' ? 1 : 2, kEndOfFile);
}

void TerminalPump::WriteInput() {
  const ssize_t written = ::write(master_.get(), input_.data(), input_.size());
  if (written > 0) {
    input_.erase(0, static_cast<size_t>(written));
  } else if (errno != EAGAIN && errno != EINTR) {
    input_.clear();
    input_open_ = false;
  }
}

bool TerminalPump::ReadOutput() {
  std::array<char, kPiece> piece;
  const ssize_t got = ::read(master_.get(), piece.data(), piece.size());
  if (got > 0) {
    output_.append(piece.data(), static_cast<size_t>(got));
    return true;
  }
  // EIO: nobody has the other side open any more (pty(7)).
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) output_open_ = false;
  return false;
}

void TerminalPump::WriteOutput() {
  const ssize_t written =
      reader_gone_ ? static_cast<ssize_t>(output_.size())
                   : ::write(STDOUT_FILENO, output_.data(), std::min(output_.size(), kPiece));
  if (written > 0) {
    output_.erase(0, static_cast<size_t>(written));
  } else if (errno != EAGAIN && errno != EINTR) {
    // Nobody listens any more; the container goes on.
    reader_gone_ = true;
    output_.clear();
  }
}

void TerminalPump::TakeLastWords() {
  do {
    while (!output_.empty()) {
      struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
      if (!reader_gone_) ::poll(&room, 1, -1);
      WriteOutput();
    }
  } while (output_open_ && ReadOutput());
}

}  // namespace wasmoor::cmd
