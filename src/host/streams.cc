#include "host/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "wasmoor/os/file.h"

namespace wasmoor::host {
namespace {

constexpr int kAfterStreams = 3;

// Without waiting for anybody at a FIFO; what is opened blocks afterwards, as a plain open would.
Result<os::Fd> OpenStream(const std::string& path, int access) {
  const std::string& name = path.empty() ? std::string("/dev/null") : path;
  os::Fd opened = TRY(os::OpenAt(os::Fd(), name.c_str(), access | O_NONBLOCK | O_NOCTTY));
  const int flags = ::fcntl(opened.get(), F_GETFL);
  if (flags < 0 || ::fcntl(opened.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
    return FailErrno(errno, "{}", name);
  return opened;
}

Result<bool> IsFifo(const os::Fd& file, const std::string& path) {
  const struct stat status = TRY(os::Stat(file));
  if (S_ISFIFO(status.st_mode)) return true;
  if (S_ISCHR(status.st_mode)) return false;
  return Fail(Code::kInvalidArgument, "stream {}: is not a FIFO", path);
}

Result<os::Fd> TakeGiven(std::vector<os::Fd>* given) {
  if (given->empty()) return Fail(Code::kInternal, "a stream's descriptor did not come");
  os::Fd first = std::move(given->front());
  given->erase(given->begin());
  return first;
}

// A pipe that nobody reads is broken for who writes (poll(2)).
bool HasReader(const os::Fd& writer) {
  struct pollfd wanted = {.fd = writer.get(), .events = POLLOUT, .revents = 0};
  return ::poll(&wanted, 1, 0) >= 0 && (wanted.revents & POLLERR) == 0;
}

}  // namespace

Result<GuestStreams> GuestStreams::Open(const google::protobuf::RepeatedPtrField<Stream>& streams,
                                        std::vector<os::Fd>* given) {
  GuestStreams opened;
  for (int i = 0; i < kAfterStreams; ++i) {
    const Stream& stream = i < streams.size() ? streams[i] : Stream::default_instance();
    os::Fd& file = i == 0 ? opened.input_ : opened.writers_[i - 1];
    if (stream.given()) {
      file = TRY(TakeGiven(given));
      continue;
    }
    // The reader first: a FIFO that nobody reads cannot be opened for writing without waiting.
    if (i > 0 && !stream.path().empty()) {
      os::Fd reader = TRY_AS(OpenStream(stream.path(), O_RDONLY), "stream {}", stream.path());
      if (TRY(IsFifo(reader, stream.path()))) opened.readers_[i - 1] = std::move(reader);
    }
    file =
        TRY_AS(OpenStream(stream.path(), i == 0 ? O_RDONLY : O_WRONLY), "stream {}", stream.path());
    TRY(IsFifo(file, stream.path()));
  }
  return opened;
}

Status GuestStreams::Grant(wasi::Grants* grants) const {
  const auto copy = [](const os::Fd& file) {
    return os::Fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, kAfterStreams));
  };
  grants->standard_input = copy(input_);
  grants->standard_output = copy(output());
  grants->standard_error = copy(error());
  if (!grants->standard_error.valid()) return FailErrno(errno, "standard streams");
  return {};
}

bool GuestStreams::End() {
  input_.Close();
  bool unread = false;
  for (int i = 0; i < 2; ++i) {
    const bool is_fifo = readers_[i].valid();
    // The data stays as long as the writer does.
    readers_[i].Close();
    if (is_fifo && !HasReader(writers_[i]))
      unread = true;
    else
      writers_[i].Close();
  }
  return unread;
}

}  // namespace wasmoor::host
