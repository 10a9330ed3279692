#include "wasmoor/os/output.h"

#include <fcntl.h>
#include <poll.h>
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
#include "wasmoor/os/process.h"
#include "wasmoor/os/spawn.h"

namespace wasmoor::os {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSignalStatus = 128;

// `input` may be none: /dev/null.
Result<pid_t> SpawnWriting(const std::string& program, std::span<const std::string> arguments,
                           const Fd& input, const Fd& output) {
  return Spawn({.program = program,
                .arguments = {arguments.begin(), arguments.end()},
                .descriptors = {input.valid() ? &input : nullptr, &output},
                .environment = {},
                .session = SpawnRequest::Session::kSame});
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

int ShellStatus(int status) {
  return WIFSIGNALED(status) ? kSignalStatus + WTERMSIG(status) : WEXITSTATUS(status);
}

class OutputUnderWay : public Pending<Output> {
 public:
  OutputUnderWay(pid_t pid, Fd process, Fd output)
      : pid_(pid), process_(std::move(process)), output_(std::move(output)) {}
  ~OutputUnderWay() override {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  // Its output may end before it does.
  const Fd& waits_for() const override { return output_.valid() ? output_ : process_; }
  Result<std::optional<Output>> Advance() override;

 private:
  pid_t pid_;
  const Fd process_;
  Fd output_;
  Output result_;
};

Result<std::optional<Output>> OutputUnderWay::Advance() {
  std::array<char, 4096> buffer;
  while (output_.valid()) {
    const ssize_t got = read(output_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) output_.Close();
    const size_t room = kUsualOutput - result_.text.size();
    if (got > 0)
      result_.text.append(buffer.data(), std::min<size_t>(static_cast<size_t>(got), room));
  }
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  if (ended == 0) return std::nullopt;
  if (ended < 0) return FailErrno(errno, "wait for process {}", pid_);
  pid_ = 0;
  result_.status = ShellStatus(status);
  return std::move(result_);
}

Result<Output> RunAndRead(const std::string& program, std::span<const std::string> arguments,
                          const Fd& input, std::chrono::milliseconds patience, size_t most_bytes) {
  const auto until = Clock::now() + patience;
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "pipe");
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t pid = TRY(SpawnWriting(program, arguments, input, writing));
  writing.Close();
  Output output;
  int status = 0;
  if (!ReadUntil(reading, until, most_bytes, &output.text) || !WaitUntil(pid, until, &status)) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return Fail(Code::kDeadlineExceeded, "{}: no answer within {} ms", program, patience.count());
  }
  output.status = ShellStatus(status);
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

Result<std::unique_ptr<Pending<Output>>> StartSelf(std::span<const std::string> arguments,
                                                   const Fd& input) {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "pipe");
  Fd reading(ends[0]);
  const Fd writing(ends[1]);
  // This end alone: the other is another open file.
  if (fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0) return FailErrno(errno, "pipe");
  const pid_t pid = TRY(SpawnWriting(kThisProgram, arguments, input, writing));
  auto process = OpenProcess(pid);
  auto started = std::make_unique<OutputUnderWay>(pid, process ? std::move(*process) : Fd(),
                                                  std::move(reading));
  if (!process) return tl::unexpected(std::move(process).error());
  return started;
}

}  // namespace wasmoor::os
