#pragma once

#include <sys/ioctl.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/wasmoor/handover.pb.h"
#include "sandbox/stdio/fifo.h"
#include "sandbox/stdio/logger.h"
#include "sandbox/stdio/pump.h"
#include "sandbox/stdio/sink.h"
#include "sandbox/stdio/target.h"
#include "wasmoor/sandbox/stdio.h"

namespace wasmoor::sandbox {

class Stdio::Parts {
 public:
  Parts(loop::Loop& loop, const Streams& streams, StdioOwner owner)
      : loop_(loop), terminal_(streams.terminal), owner_(std::move(owner)) {}

  Status Open(const Streams& streams);
  void WhenReady(Done<void> done);
  Status Attach(os::Fd master);
  Status Resize(uint16_t columns, uint16_t rows);
  void CloseInput() {
    if (input_) input_->CloseWriter();
  }
  void Finish(std::function<void()> done);
  void Close(std::function<void()> done);
  // Nobody is to be told anything any more.
  void Forget();
  // stdio_handover.cc.
  void HandOver(handover::Stdio* state, os::Carried* carried) const;
  Status TakeOver(const handover::Stdio& state);

  const os::Fd* input() const { return terminal_ ? nullptr : Given(input_->reader()); }
  const os::Fd* output() const { return terminal_ ? nullptr : Given(output_->writer()); }
  const os::Fd* error() const { return terminal_ ? nullptr : Given(error_->writer()); }

 private:
  static const os::Fd* Given(const os::Fd& file) { return file.valid() ? &file : nullptr; }
  Log LogOf() const;
  Result<std::shared_ptr<Sink>> OpenSink(const std::string& name, Logger::Stream stream);
  Result<std::shared_ptr<Logger>> StartLogger(const std::string& name, Target target);
  // `typed` and `shown` were read before, and are still to be written.
  Status Serve(os::Fd master, std::string_view typed = {}, std::string_view shown = {});
  Result<std::shared_ptr<Sink>> TakeSink(const handover::Sink& state);
  void Describe(const Sink& sink, handover::Sink* state, os::Carried* carried) const;
  void OnTerminalIdle();
  void EndSinks();
  std::pair<size_t, uint64_t> Backlog() const;
  void Look();
  void AnswerFinish();

  loop::Loop& loop_;
  const bool terminal_;
  const StdioOwner owner_;
  std::optional<FifoInput> input_;
  std::shared_ptr<Sink> output_, error_;  // May be the same.
  struct NamedLogger {
    std::string name;
    std::shared_ptr<Logger> logger;
  };
  std::vector<NamedLogger> loggers_;
  struct Readiness {
    size_t left;
    Status status;
    Done<void> done;
  };
  std::shared_ptr<Readiness> readiness_;

  os::Fd master_;
  std::optional<winsize> size_;
  loop::Source master_source_, input_source_, output_source_;
  std::unique_ptr<Pump> from_terminal_, to_terminal_;
  loop::Timer terminal_look_;

  bool ended_ = false;
  std::shared_ptr<std::function<void()>> finished_;  // Empty once it was called.
  std::chrono::steady_clock::time_point finish_until_, stalled_since_;
  std::pair<size_t, uint64_t> backlog_;
  std::chrono::milliseconds pause_{1};  // Between two looks, at first.
  loop::Timer look_;
};

}  // namespace wasmoor::sandbox
