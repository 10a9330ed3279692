#include "e2e/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <ostream>

namespace wasmoor::e2e {
namespace {

constexpr int kSignalStatus = 128;
// What its last words may take after it has ended.
constexpr std::chrono::seconds kLastWords{2};

struct Pipe {
  os::Fd reader, writer;
};

Pipe MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) abort();
  return {os::Fd(ends[0]), os::Fd(ends[1])};
}

// Takes what is there; false at the end. A terminal whose last user is gone says EIO.
bool TakeFrom(os::Fd& stream, std::string& text) {
  std::array<char, 65536> buffer;
  const ssize_t got = read(stream.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (got <= 0) {
    stream.Close();
    return false;
  }
  text.append(buffer.data(), static_cast<size_t>(got));
  return true;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

int Milliseconds(std::chrono::steady_clock::duration duration) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<int>(std::clamp<int64_t>(count, 0, 60'000));
}

}  // namespace

void PrintTo(const Ended& ended, std::ostream* out) {
  *out << "status " << ended.status << ", signal " << ended.signal << "\n--- out\n"
       << ended.out << "\n--- err\n"
       << ended.err << "\n---";
}

Command& Command::Env(std::string name, std::string value) {
  environment_[std::move(name)] = std::move(value);
  return *this;
}

Command& Command::In(std::filesystem::path directory) {
  directory_ = std::move(directory);
  return *this;
}

Command& Command::Input(std::string text) {
  input_ = std::move(text);
  feed_ = Feed::kText;
  return *this;
}

Command& Command::InputFile(std::filesystem::path path) {
  input_file_ = std::move(path);
  feed_ = Feed::kFile;
  return *this;
}

Command& Command::OpenInput() {
  feed_ = Feed::kSilence;
  return *this;
}

Command& Command::NoStreams() {
  streams_ = Streams::kClosed;
  return *this;
}

Command& Command::ClosedOutput() {
  closed_output_ = true;
  return *this;
}

Command& Command::OnTerminal() {
  streams_ = Streams::kTerminal;
  return *this;
}

Command& Command::Within(std::chrono::seconds limit) {
  limit_ = limit;
  return *this;
}

Ended Command::Run() const { return Start()->Wait(); }

std::unique_ptr<Process> Command::Start() const { return std::make_unique<Process>(*this); }

struct Process::Ends {
  os::Fd in, out, err;
};

Process::Process(const Command& command) : deadline_(Clock::now() + command.limit_) {
  for (const std::string& word : command.words_) name_ += (name_.empty() ? "" : " ") + word;
  // A program that ends without reading its input must not end this one.
  ::signal(SIGPIPE, SIG_IGN);
  const Ends ends = MakeStreams(command);
  Spawn(command, ends);
}

Process::~Process() {
  if (!running_) return;
  kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Process::Ends Process::MakeStreams(const Command& command) {
  if (command.streams_ == Command::Streams::kClosed) return {};
  if (command.streams_ == Command::Streams::kTerminal) {
    out_ = os::Fd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    std::array<char, PATH_MAX> name = {};
    if (grantpt(out_.get()) != 0 || unlockpt(out_.get()) != 0 ||
        ptsname_r(out_.get(), name.data(), name.size()) != 0)
      abort();
    terminal_ = name.data();
    settings_ = os::Fd(fcntl(out_.get(), F_DUPFD_CLOEXEC, 0));
    return {};
  }
  Ends ends;
  if (command.feed_ == Command::Feed::kText || command.feed_ == Command::Feed::kSilence) {
    Pipe in = MakePipe();
    ends.in = std::move(in.reader);
    in_ = std::move(in.writer);
    fcntl(in_.get(), F_SETFL, O_NONBLOCK);
    input_ = command.input_;
    keep_input_open_ = command.feed_ == Command::Feed::kSilence;
    if (input_.empty() && !keep_input_open_) in_.Close();
  } else {
    const bool none = command.feed_ == Command::Feed::kNothing;
    ends.in = os::Fd(open(none ? "/dev/null" : command.input_file_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!ends.in.valid()) ADD_FAILURE() << command.input_file_ << ": cannot be opened as input";
  }
  Pipe out = MakePipe(), err = MakePipe();
  ends.out = std::move(out.writer);
  ends.err = std::move(err.writer);
  if (!command.closed_output_) out_ = std::move(out.reader);
  err_ = std::move(err.reader);
  return ends;
}

void Process::Spawn(const Command& command, const Ends& ends) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  short flags = POSIX_SPAWN_SETPGROUP;
  if (!terminal_.empty()) {
    // The first terminal that the leader of a session opens becomes its controlling one
    // (tty_ioctl(4)), which is what turns a typed Ctrl-C into a signal.
    flags = POSIX_SPAWN_SETSID;
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, terminal_.c_str(), O_RDWR, 0);
  }
  int number = STDIN_FILENO;
  for (const os::Fd* end : {&ends.in, &ends.out, &ends.err}) {
    if (!terminal_.empty()) {
      posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, number);
    } else if (end->valid()) {
      posix_spawn_file_actions_adddup2(&actions, end->get(), number);
    } else {
      posix_spawn_file_actions_addclose(&actions, number);
    }
    ++number;
  }
  if (!command.directory_.empty())
    posix_spawn_file_actions_addchdir_np(&actions, command.directory_.c_str());

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  flags |= POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  posix_spawnattr_setflags(&attributes, flags);

  std::vector<std::string> environment;
  if (const char* path = getenv("PATH")) environment.push_back(std::string("PATH=") + path);
  for (const auto& [name, value] : command.environment_) environment.push_back(name + "=" + value);
  const int error = posix_spawnp(&pid_, command.words_[0].c_str(), &actions, &attributes,
                                 Pointers(command.words_).data(), Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    ADD_FAILURE() << name_ << ": does not start: " << strerror(error);
    running_ = false;
    return;
  }
  // The C library declares pidfd_open(2) for C only.
  pidfd_ = os::Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
}

void Process::MoveInput() {
  const ssize_t written = write(in_.get(), input_.data(), input_.size());
  if (written > 0) input_.erase(0, static_cast<size_t>(written));
  const bool gone = written < 0 && errno != EAGAIN && errno != EINTR;
  if (gone || (input_.empty() && !keep_input_open_)) in_.Close();
}

bool Process::Pump(Clock::time_point until) {
  enum : size_t { kIn, kOut, kErr, kEnd, kCount };
  const bool feeding = in_.valid() && !input_.empty();
  std::array<pollfd, kCount> waiting = {{{feeding ? in_.get() : -1, POLLOUT, 0},
                                         {out_.get(), POLLIN, 0},
                                         {err_.get(), POLLIN, 0},
                                         {running_ ? pidfd_.get() : -1, POLLIN, 0}}};
  if (!running_ && !out_.valid() && !err_.valid()) return false;
  if (poll(waiting.data(), waiting.size(), Milliseconds(until - Clock::now())) < 0) return true;
  if (waiting[kIn].revents != 0) MoveInput();
  if (waiting[kOut].revents != 0) TakeFrom(out_, ended_.out);
  if (waiting[kErr].revents != 0) TakeFrom(err_, ended_.err);
  if (waiting[kEnd].revents != 0) Collect();
  return true;
}

void Process::Collect() {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) abort();
  running_ = false;
  ended_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  ended_.status = WIFSIGNALED(status) ? kSignalStatus + ended_.signal : WEXITSTATUS(status);
}

bool Process::Says(std::string_view text) {
  while (ended_.out.find(text) == std::string::npos) {
    if (Clock::now() >= deadline_) {
      ADD_FAILURE() << name_ << ": does not say '" << text << "'";
      return false;
    }
    if (!Pump(deadline_)) return false;
  }
  return true;
}

void Process::Type(std::string_view text) {
  if (write(out_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    ADD_FAILURE() << name_ << ": cannot be typed to: " << strerror(errno);
}

std::string Process::TerminalSettings() const {
  struct termios settings = {};
  if (tcgetattr(settings_.get(), &settings) != 0) ADD_FAILURE() << name_ << ": has no terminal";
  return {reinterpret_cast<const char*>(&settings), sizeof(settings)};
}

std::string Process::ErrorsSoFar() {
  // One look for each stream and its end is enough: what was written is in the pipe.
  for (int look = 0; look < 4; ++look) Pump(Clock::now());
  return ended_.err;
}

void Process::Signal(int number) {
  if (running_) kill(pid_, number);
}

void Process::KillAfter(std::chrono::milliseconds delay) {
  const auto until = Clock::now() + delay;
  while (running_ && Clock::now() < until) Pump(until);
  Signal(SIGKILL);
}

Ended Process::Wait() {
  while (running_ && Clock::now() < deadline_) Pump(deadline_);
  if (running_) {
    ADD_FAILURE() << name_ << ": does not end";
    kill(-pid_, SIGKILL);
    Collect();
    ended_.status = -1;
  }
  const auto until = Clock::now() + kLastWords;
  while (Clock::now() < until && Pump(until)) {
  }
  return ended_;
}

}  // namespace wasmoor::e2e
