#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proto/wasmoor/handover.pb.h"
#include "sandbox/stdio/pump.h"
#include "sandbox/stdio/sink.h"
#include "sandbox/stdio/target.h"
#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::sandbox {

// How long a logger has for what.
struct LoggerPatience {
  std::chrono::milliseconds ready = std::chrono::seconds(10);
  // Before it is started again for the first time; three times as long before each further one.
  std::chrono::milliseconds pause = std::chrono::milliseconds(100);
  int most_deaths = 5;  // In quick succession.
  // As with containerd's runc shim: one that flushes what it has read needs some.
  std::chrono::milliseconds end = std::chrono::seconds(10);
  std::chrono::milliseconds terminated = std::chrono::seconds(2);
};

// A program that takes what a process writes, through two pipes (containerd's runtime v2, "binary"
// logging): 3 is what comes from the process's output, 4 from its error, and 5 a pipe that it
// closes once it listens. The pipes have a reader here all the time, so that the process does not
// notice when the program dies; it is started again then, a few times. Loop thread only.
class Logger {
 public:
  enum class Stream : uint8_t { kOutput, kError };

  static Result<std::shared_ptr<Logger>> Start(loop::Loop& loop, Target target,
                                               std::string name_space, std::string id, Log log,
                                               LoggerPatience patience = {});
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;
  ~Logger();

  // As Sandbox::HandOver and TakeOver. One that has not said yet that it listens is taken for
  // ready.
  void HandOver(handover::Logger* state, os::Carried* carried) const;
  static Result<std::shared_ptr<Logger>> TakeOver(loop::Loop& loop, const handover::Logger& state,
                                                  Target target, std::string name_space,
                                                  std::string id, Log log);

  // As Stdio::WhenReady; once.
  void WhenReady(Done<void> done);

  const os::Fd& writer(Stream stream) const { return pipe(stream).writer; }
  void CloseWriter(Stream stream) { pipes_.at(static_cast<size_t>(stream)).writer.Close(); }
  size_t Left(Stream stream) const { return BytesIn(pipe(stream).reader); }

  // As Stdio::Close. `self` is this; it lives until then.
  void Close(std::shared_ptr<Logger> self, std::function<void()> done);

 private:
  // What is discarded of a pipe whose logger is given up.
  struct Waste {
    loop::Source source;
    std::unique_ptr<Pump> pump;
  };

  Logger(loop::Loop& loop, Target target, std::string name_space, std::string id, Log log,
         LoggerPatience patience);
  const PipeEnds& pipe(Stream stream) const { return pipes_.at(static_cast<size_t>(stream)); }

  Status Spawn();
  Status WatchProcess();
  void OnReadyPipe();
  void OnDeath();
  std::string Reap();
  void Answer(Status status);
  void StartAgain();
  void GiveUp();
  bool Finished() const;

  loop::Loop& loop_;
  const Target target_;
  const std::string name_space_, id_;
  const Log log_;
  const LoggerPatience patience_;
  std::array<PipeEnds, 2> pipes_;

  pid_t pid_ = 0;
  os::Fd process_;  // A pidfd; not valid while it does not run.
  loop::Source death_;
  std::chrono::steady_clock::time_point started_;
  int deaths_ = 0;  // In quick succession.
  bool failed_ = false, given_up_ = false;
  std::array<Waste, 2> wastes_;

  os::Fd ready_pipe_;
  loop::Source ready_source_;
  std::optional<Status> ready_;
  Done<void> when_ready_;

  loop::Timer timer_;  // Of being ready, of the next start, or of the end.
  std::function<void()> closed_;
  std::shared_ptr<Logger> self_;  // While it ends.
};

// One of a logger's pipes as a sink.
class LoggerSink : public Sink {
 public:
  LoggerSink(std::shared_ptr<Logger> logger, Logger::Stream stream)
      : logger_(std::move(logger)), stream_(stream) {}
  const os::Fd& writer() const override { return logger_->writer(stream_); }
  void CloseWriter() override { logger_->CloseWriter(stream_); }
  size_t Left() const override { return logger_->Left(stream_); }
  void HandOver(handover::Sink* state, os::Carried* carried) const override;
  const Logger* logger() const { return logger_.get(); }

 private:
  const std::shared_ptr<Logger> logger_;
  const Logger::Stream stream_;
};

}  // namespace wasmoor::sandbox
