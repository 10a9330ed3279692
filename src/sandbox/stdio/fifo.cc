#include "sandbox/stdio/fifo.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "proto/wasmoor/handover.pb.h"
#include "wasmoor/os/carried.h"
#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

using std::chrono::milliseconds;

// Nothing tells that a pipe was emptied. A reader that is there takes what is left at once; one
// that comes much later sees the end a little later than it could.
constexpr milliseconds kFirstLook{2};
constexpr milliseconds kLastLook{250};

}  // namespace

FifoSink::FifoSink(loop::Loop& loop, os::Fd reader, os::Fd writer)
    : loop_(loop), reader_(std::move(reader)), writer_(std::move(writer)), pause_(kFirstLook) {}

Result<std::unique_ptr<Sink>> FifoSink::Open(loop::Loop& loop, const os::Fd& place) {
  // In this order neither of them waits for the other side (fifo(7)).
  os::Fd reader = TRY(Reopen(place, O_RDONLY | O_NONBLOCK));
  os::Fd writer = TRY(Reopen(place, O_WRONLY | O_NONBLOCK));
  TRY(SetBlocking(writer, true));
  return std::unique_ptr<Sink>(new FifoSink(loop, std::move(reader), std::move(writer)));
}

std::unique_ptr<Sink> FifoSink::TakeOver(loop::Loop& loop, os::Fd reader, os::Fd writer) {
  return std::unique_ptr<Sink>(new FifoSink(loop, std::move(reader), std::move(writer)));
}

void FifoSink::HandOver(handover::Sink* state, os::Carried* carried) const {
  state->mutable_fifo()->set_reader(carried->Keep(reader_));
}

void FifoSink::Ended() {
  if (BytesIn(reader_) == 0) return WakeReaders();
  auto writer = Reopen(reader_, O_WRONLY | O_NONBLOCK);
  // Out of descriptors: what was written is there, for a reader that does not wait.
  if (!writer) return;
  writer_ = std::move(*writer);
  HoldUntilRead();
}

void FifoSink::HoldUntilRead() {
  look_ = loop_.After(pause_, [this] {
    if (BytesIn(reader_) == 0) return writer_.Close();
    pause_ = std::min(pause_ * 2, kLastLook);
    HoldUntilRead();
  });
}

void FifoSink::WakeReaders() {
  static_cast<void>(Reopen(reader_, O_WRONLY | O_NONBLOCK));  // And closed at once.
  look_ = loop_.After(pause_, [this] {
    pause_ = std::min(pause_ * 2, kLastLook);
    WakeReaders();
  });
}

Result<FifoInput> FifoInput::Open(const std::string& name) {
  const Target target = TRY(ParseTarget(name));
  const std::string path = target.kind == Target::Kind::kNowhere ? "/dev/null" : target.path;
  const os::Fd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place.valid()) return FailErrno(errno, "input {}", path);
  const struct stat status = TRY_AS(os::Stat(place), "input {}", path);
  const bool is_fifo = S_ISFIFO(status.st_mode);
  const bool is_path = target.kind == Target::Kind::kPath || target.kind == Target::Kind::kNowhere;
  if (!is_path || (!is_fifo && !S_ISCHR(status.st_mode)))
    return Fail(Code::kInvalidArgument, "input {}: is not a FIFO", name);
  os::Fd reader = TRY_AS(Reopen(place, O_RDONLY | O_NONBLOCK | O_NOCTTY), "input {}", path);
  os::Fd writer;
  if (is_fifo) writer = TRY_AS(Reopen(place, O_WRONLY | O_NONBLOCK), "input {}", path);
  TRY(SetBlocking(reader, true));
  return FifoInput(std::move(reader), std::move(writer));
}

}  // namespace wasmoor::sandbox
