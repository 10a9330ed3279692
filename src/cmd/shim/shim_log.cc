#include "cmd/shim/shim_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>

#include "wasmoor/base/printable.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

// Open for reading as well, so that it has a reader as long as this process lives: no SIGPIPE, and
// what is in it waits for the next containerd (fifo(7)).
os::Fd OpenFifo(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISFIFO(status.st_mode)) return {};
  Result<os::Fd> fifo =
      os::OpenAt(os::Fd(), path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
  return fifo ? *std::move(fifo) : os::Fd();
}

task::LogLevel OwnLevel(Level level) {
  switch (level) {
    case Level::kDebug: return task::LogLevel::kDebug;
    case Level::kWarning: return task::LogLevel::kWarning;
    case Level::kError: return task::LogLevel::kError;
  }
  return task::LogLevel::kError;
}

}  // namespace

ShimLog::ShimLog(const std::string& bundle, task::LogLevel most, std::string name_space,
                 std::string pod)
    : fifo_(OpenFifo(bundle + "/log")),
      most_(most),
      keys_(fmt::format(" ns={} pod={}", Printable(name_space), Printable(pod))) {}

void ShimLog::Write(Level level, std::string_view message) const {
  if (!fifo_.valid() || OwnLevel(level) > most_) return;
  std::string line = LogLine(level, message, LogFormat::kText, std::chrono::system_clock::now());
  line.insert(line.size() - 1, keys_);
  // One write of at most PIPE_BUF is whole or not at all (pipe(7)). There is nobody to tell if it
  // fails.
  if (line.size() > PIPE_BUF) line = line.substr(0, PIPE_BUF - 1) + '\n';
  [[maybe_unused]] const ssize_t written = ::write(fifo_.get(), line.data(), line.size());
}

}  // namespace wasmoor::cmd
