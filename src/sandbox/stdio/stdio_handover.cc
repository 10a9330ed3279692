#include <algorithm>
#include <utility>

#include "sandbox/stdio/stdio_parts.h"
#include "wasmoor/os/carried.h"

namespace wasmoor::sandbox {

void Stdio::Parts::Describe(const Sink& sink, handover::Sink* state, os::Carried* carried) const {
  sink.HandOver(state, carried);
  if (!state->has_logger()) {
    state->set_writer(carried->Keep(sink.writer()));
    return;
  }
  // Its pipes are told with the logger.
  const Logger* const logger = static_cast<const LoggerSink&>(sink).logger();
  const auto found = std::find_if(loggers_.begin(), loggers_.end(), [logger](const auto& named) {
    return named.logger.get() == logger;
  });
  state->mutable_logger()->set_number(static_cast<uint32_t>(found - loggers_.begin()));
}

void Stdio::Parts::HandOver(handover::Stdio* state, os::Carried* carried) const {
  if (!output_) return;  // Closed.
  state->set_input_reader(carried->Keep(input_->reader()));
  state->set_input_writer(carried->Keep(input_->writer()));
  Describe(*output_, state->mutable_output(), carried);
  if (error_ != output_) Describe(*error_, state->mutable_error(), carried);
  for (const NamedLogger& named : loggers_) {
    handover::Logger& logger = *state->add_loggers();
    logger.set_name(named.name);
    named.logger->HandOver(&logger, carried);
  }
  state->set_master(carried->Keep(master_));
  if (to_terminal_) state->set_typed(std::string(to_terminal_->unwritten()));
  if (from_terminal_) state->set_shown(std::string(from_terminal_->unwritten()));
  state->set_ended(ended_);
}

Result<std::shared_ptr<Sink>> Stdio::Parts::TakeSink(const handover::Sink& state) {
  if (!state.has_logger()) return TRY(sandbox::TakeSink(loop_, state, LogOf()));
  if (state.logger().number() >= loggers_.size())
    return Fail(Code::kInvalidArgument, "a stream of a logger that is not told of");
  return std::make_shared<LoggerSink>(
      loggers_[state.logger().number()].logger,
      state.logger().error() ? Logger::Stream::kError : Logger::Stream::kOutput);
}

Status Stdio::Parts::TakeOver(const handover::Stdio& state) {
  input_.emplace(os::TakeCarried(state.input_reader()), os::TakeCarried(state.input_writer()));
  for (const handover::Logger& one : state.loggers())
    loggers_.push_back(
        {one.name(),
         TRY(Logger::TakeOver(loop_, one, TRY(ParseTarget(one.name())), owner_.name_space,
                              owner_.exec_id.empty() ? owner_.id : owner_.exec_id, LogOf()))});
  output_ = TRY(TakeSink(state.output()));
  error_ = state.has_error() ? TRY(TakeSink(state.error())) : output_;
  ended_ = state.ended();
  if (os::Fd master = os::TakeCarried(state.master()); master.valid())
    return Serve(std::move(master), state.typed(), state.shown());
  if (ended_) EndSinks();
  return {};
}

Result<std::unique_ptr<Stdio>> Stdio::TakeOver(loop::Loop& loop, const Streams& streams,
                                               StdioOwner owner, const handover::Stdio& state) {
  auto stdio =
      std::unique_ptr<Stdio>(new Stdio(std::make_unique<Parts>(loop, streams, std::move(owner))));
  // One that was closed has nothing any more.
  if (state.has_output()) TRY(stdio->parts_->TakeOver(state));
  return stdio;
}

}  // namespace wasmoor::sandbox
