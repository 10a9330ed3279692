#include "sandbox/stdio/sink.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <utility>

#include "proto/wasmoor/handover.pb.h"
#include "sandbox/stdio/fifo.h"
#include "sandbox/stdio/file_sink.h"
#include "wasmoor/os/carried.h"
#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

// Something that takes what is written by itself.
class Device : public Sink {
 public:
  explicit Device(os::Fd file) : file_(std::move(file)) {}
  const os::Fd& writer() const override { return file_; }
  void CloseWriter() override { file_.Close(); }
  void HandOver(handover::Sink* state, os::Carried*) const override { state->mutable_device(); }

 private:
  os::Fd file_;
};

// As containerd's shims make them.
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

Status MakeDirectoriesAbove(const std::string& path) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string directory = path.substr(0, end);
    if (::mkdir(directory.c_str(), kDirectoryMode) == 0 || errno == EEXIST) continue;
    // Somewhere above one may not be allowed to, and need not.
    struct stat status;
    const int error = errno;
    if (::stat(directory.c_str(), &status) != 0) return FailErrno(error, "make {}", directory);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Sink>> OpenPath(loop::Loop& loop, const std::string& path, Log log) {
  // What it is, before it is opened: that may block, or do something.
  const os::Fd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place.valid()) return FailErrno(errno, "stream {}", path);
  const struct stat status = TRY_AS(os::Stat(place), "stream {}", path);
  if (S_ISFIFO(status.st_mode)) return TRY_AS(FifoSink::Open(loop, place), "stream {}", path);
  if (S_ISREG(status.st_mode)) {
    os::Fd file = TRY_AS(Reopen(place, O_WRONLY | O_APPEND), "stream {}", path);
    return FileSink::Create(loop, path, std::move(file), std::move(log));
  }
  if (S_ISCHR(status.st_mode)) {
    return std::make_unique<Device>(TRY_AS(Reopen(place, O_WRONLY | O_NOCTTY), "stream {}", path));
  }
  return Fail(Code::kInvalidArgument, "stream {}: is neither a FIFO nor a file", path);
}

Result<std::unique_ptr<Sink>> OpenFile(loop::Loop& loop, const std::string& path, Log log) {
  TRY_AS(MakeDirectoriesAbove(path), "stream {}", path);
  constexpr int kMake = O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC;
  os::Fd file(::open(path.c_str(), kMake, kFileMode));
  if (file.valid()) return FileSink::Create(loop, path, std::move(file), std::move(log));
  if (errno != EEXIST) return FailErrno(errno, "stream {}", path);
  return OpenPath(loop, path, std::move(log));
}

Result<std::unique_ptr<Sink>> TakeSink(loop::Loop& loop, const handover::Sink& state, Log log) {
  os::Fd writer = os::TakeCarried(state.writer());
  switch (state.what_case()) {
    case handover::Sink::kFifo:
      return FifoSink::TakeOver(loop, os::TakeCarried(state.fifo().reader()), std::move(writer));
    case handover::Sink::kFile:
      return FileSink::TakeOver(loop, state.file(), std::move(writer), std::move(log));
    case handover::Sink::kDevice: return std::make_unique<Device>(std::move(writer));
    default: return Fail(Code::kInvalidArgument, "a stream of an unknown kind");
  }
}

size_t BytesIn(const os::Fd& pipe) {
  int bytes = 0;
  return ::ioctl(pipe.get(), FIONREAD, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
}

Result<PipeEnds> MakePipe() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return FailErrno(errno, "pipe");
  return PipeEnds{os::Fd(ends[0]), os::Fd(ends[1])};
}

Status SetBlocking(const os::Fd& file, bool blocks) {
  const int flags = ::fcntl(file.get(), F_GETFL);
  const int wanted = blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  if (flags < 0 || ::fcntl(file.get(), F_SETFL, wanted) != 0) return FailErrno(errno, "fcntl");
  return {};
}

Result<os::Fd> Reopen(const os::Fd& file, int flags) {
  os::Fd opened(::open(fmt::format("/proc/self/fd/{}", file.get()).c_str(), flags | O_CLOEXEC));
  if (!opened.valid()) return FailErrno(errno, "open");
  return opened;
}

}  // namespace wasmoor::sandbox
