#include "sandbox/stdio/file_sink.h"

#include <cstring>
#include <utility>

#include "wasmoor/os/carried.h"

namespace wasmoor::sandbox {

FileSink::FileSink(std::string path, os::Fd file, Log log)
    : path_(std::move(path)), log_(std::move(log)), file_(std::move(file)) {}

Result<std::unique_ptr<Sink>> FileSink::Create(loop::Loop& loop, std::string path, os::Fd file,
                                               Log log) {
  auto sink =
      std::unique_ptr<FileSink>(new FileSink(std::move(path), std::move(file), std::move(log)));
  sink->pipe_ = TRY(MakePipe());
  TRY(sink->Begin(loop, {}));
  return sink;
}

Status FileSink::Begin(loop::Loop& loop, std::string_view unwritten) {
  TRY(SetBlocking(pipe_.reader, false));
  source_ = TRY(loop.Watch(pipe_.reader));
  pump_ = std::make_unique<Pump>(loop, Pump::From{pipe_.reader, source_}, Pump::To{&file_, nullptr},
                                 Pump::Listener{.on_idle = [this] { failing_ = false; },
                                                .on_error = [this](int error) { OnError(error); }},
                                 unwritten);
  pump_->Run();
  return {};
}

Result<std::unique_ptr<Sink>> FileSink::TakeOver(loop::Loop& loop,
                                                 const handover::Sink::File& state, os::Fd writer,
                                                 Log log) {
  auto sink = std::unique_ptr<FileSink>(
      new FileSink(state.path(), os::TakeCarried(state.file()), std::move(log)));
  sink->pipe_ = {.reader = os::TakeCarried(state.reader()), .writer = std::move(writer)};
  TRY(sink->Begin(loop, state.unwritten()));
  return sink;
}

void FileSink::HandOver(handover::Sink* state, os::Carried* carried) const {
  handover::Sink::File& file = *state->mutable_file();
  file.set_path(path_);
  file.set_file(carried->Keep(file_));
  file.set_reader(carried->Keep(pipe_.reader));
  file.set_unwritten(std::string(pump_->unwritten()));
}

void FileSink::Ended() { pump_->Run(); }

size_t FileSink::Left() const { return pump_->idle() ? 0 : BytesIn(pipe_.reader) + 1; }

void FileSink::OnError(int error_number) {
  if (std::exchange(failing_, true)) return;
  log_(fmt::format("output file {}: {}; what the process writes waits until it can be written",
                   path_, ::strerror(error_number)));
}

}  // namespace wasmoor::sandbox
