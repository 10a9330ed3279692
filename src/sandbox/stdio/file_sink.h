#pragma once

#include <memory>
#include <string>

#include "proto/wasmoor/handover.pb.h"
#include "sandbox/stdio/pump.h"
#include "sandbox/stdio/sink.h"

namespace wasmoor::sandbox {

// A regular file that a process appends to through a pipe, never by a descriptor of its own: that
// would be a file of the host whose mode, owner and content a container's root could change. What
// the disk has no room for stays in the pipe, and is tried again. Loop thread only.
class FileSink : public Sink {
 public:
  static Result<std::unique_ptr<Sink>> Create(loop::Loop& loop, std::string path, os::Fd file,
                                              Log log);

  static Result<std::unique_ptr<Sink>> TakeOver(loop::Loop& loop, const handover::Sink::File& state,
                                                os::Fd writer, Log log);
  void HandOver(handover::Sink* state, os::Carried* carried) const override;

  const os::Fd& writer() const override { return pipe_.writer; }
  void CloseWriter() override { pipe_.writer.Close(); }
  void Ended() override;
  size_t Left() const override;

 private:
  FileSink(std::string path, os::Fd file, Log log);
  Status Begin(loop::Loop& loop, std::string_view unwritten);
  void OnError(int error_number);

  const std::string path_;
  const Log log_;
  const os::Fd file_;
  PipeEnds pipe_;
  loop::Source source_;
  std::unique_ptr<Pump> pump_;
  bool failing_ = false;
};

}  // namespace wasmoor::sandbox
