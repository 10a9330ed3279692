#include "sandbox/stdio/file_sink.h"

#include <cstring>
#include <utility>

namespace wasmoor::sandbox {

FileSink::FileSink(std::string path, os::Fd file, Log log)
    : path_(std::move(path)), log_(std::move(log)), file_(std::move(file)) {}

Result<std::unique_ptr<Sink>> FileSink::Create(loop::Loop& loop, std::string path, os::Fd file,
                                               Log log) {
  auto sink =
      std::unique_ptr<FileSink>(new FileSink(std::move(path), std::move(file), std::move(log)));
  sink->pipe_ = TRY(MakePipe());
  TRY(SetBlocking(sink->pipe_.reader, false));
  sink->source_ = TRY(loop.Watch(sink->pipe_.reader));
  FileSink* const self = sink.get();
  sink->pump_ = std::make_unique<Pump>(
      loop, Pump::From{sink->pipe_.reader, sink->source_}, Pump::To{&sink->file_, nullptr},
      Pump::Listener{.on_idle = [self] { self->failing_ = false; },
                     .on_error = [self](int error) { self->OnError(error); }});
  sink->pump_->Run();
  return sink;
}

void FileSink::Ended() { pump_->Run(); }

size_t FileSink::Left() const { return pump_->idle() ? 0 : BytesIn(pipe_.reader) + 1; }

void FileSink::OnError(int error_number) {
  if (std::exchange(failing_, true)) return;
  log_(fmt::format("output file {}: {}; what the process writes waits until it can be written",
                   path_, ::strerror(error_number)));
}

}  // namespace wasmoor::sandbox
