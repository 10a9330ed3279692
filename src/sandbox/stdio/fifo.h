#pragma once

#include <chrono>
#include <memory>

#include "sandbox/stdio/sink.h"

// FIFOs that containerd made, handed to a process as they are (fifo(7)). While one of these lives,
// the FIFO has a reader (or a writer, of the input), so that neither side meets a broken pipe when
// its peer is restarted, and what is in it stays there. Loop thread only.
namespace wasmoor::sandbox {

// Open for reading here all the time, and never read.
class FifoSink : public Sink {
 public:
  // `place` may be O_PATH.
  static Result<std::unique_ptr<Sink>> Open(loop::Loop& loop, const os::Fd& place);

  static std::unique_ptr<Sink> TakeOver(loop::Loop& loop, os::Fd reader, os::Fd writer);
  void HandOver(handover::Sink* state, os::Carried* carried) const override;

  const os::Fd& writer() const override { return writer_; }
  void CloseWriter() override { writer_.Close(); }

  // A reader that comes now must find what nobody has read yet: open(2) of a FIFO waits for a
  // writer, so there is one until all is read. Then there is none, and the reader sees the end.
  void Ended() override;

 private:
  FifoSink(loop::Loop& loop, os::Fd reader, os::Fd writer);
  void HoldUntilRead();
  // A reader that comes after the last writer waits in its open(2) until somebody opens the FIFO
  // for writing, were it for a moment: again and again, for nothing tells that one waits.
  // containerd removes no task before it has seen the end of its streams.
  void WakeReaders();

  loop::Loop& loop_;
  const os::Fd reader_;
  os::Fd writer_;
  std::chrono::milliseconds pause_;
  loop::Timer look_;
};

// The standard input. Open for writing here until it is closed, so that the process does not see
// its end when a client goes.
class FifoInput {
 public:
  // kInvalidArgument: neither a FIFO nor a device. Empty: /dev/null.
  static Result<FifoInput> Open(const std::string& name);
  // Of what another has had open.
  FifoInput(os::Fd reader, os::Fd writer)
      : reader_(std::move(reader)), writer_(std::move(writer)) {}

  // Blocks. What the process gets.
  const os::Fd& reader() const { return reader_; }
  const os::Fd& writer() const { return writer_; }
  void CloseReader() { reader_.Close(); }
  void CloseWriter() { writer_.Close(); }

 private:
  os::Fd reader_, writer_;
};

}  // namespace wasmoor::sandbox
