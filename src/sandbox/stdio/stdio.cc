#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "sandbox/stdio/stdio_parts.h"
#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// How long the end of a process waits for its output to be taken: as long as something is taken,
// and no longer than containerd's runc shim.
constexpr std::chrono::seconds kStallPatience{1};
constexpr std::chrono::seconds kFinishPatience{10};
constexpr milliseconds kLastLook{50};
// A terminal that nobody has open may be opened again (/dev/tty, /dev/console).
constexpr std::chrono::seconds kTerminalLook{1};

}  // namespace

Log Stdio::Parts::LogOf() const {
  const std::string of = owner_.exec_id.empty()
                             ? fmt::format("container {}", owner_.id)
                             : fmt::format("container {}, exec {}", owner_.id, owner_.exec_id);
  return [log = owner_.log, of](std::string_view text) {
    if (log) log(fmt::format("{}: {}", of, text));
  };
}

Status Stdio::Parts::Open(const Streams& streams) {
  input_ = TRY(FifoInput::Open(streams.input));
  output_ = TRY(OpenSink(streams.output, Logger::Stream::kOutput));
  // A terminal has one output. A file or FIFO of both is opened once, to keep the order.
  const bool of_logger = !loggers_.empty();
  if (terminal_ || (streams.error == streams.output && !of_logger)) {
    error_ = output_;
  } else {
    error_ = TRY(OpenSink(streams.error, Logger::Stream::kError));
  }
  // A logger has a pipe for each, also where nobody writes into it.
  for (const NamedLogger& named : loggers_) {
    if (named.name != streams.output) named.logger->CloseWriter(Logger::Stream::kOutput);
    if (named.name != streams.error || terminal_) named.logger->CloseWriter(Logger::Stream::kError);
  }
  return {};
}

Result<std::shared_ptr<Logger>> Stdio::Parts::StartLogger(const std::string& name, Target target) {
  for (const NamedLogger& known : loggers_)
    if (known.name == name) return known.logger;
  // containerd's shims call the logger of an exec by the exec's name.
  auto logger = TRY(Logger::Start(loop_, std::move(target), owner_.name_space,
                                  owner_.exec_id.empty() ? owner_.id : owner_.exec_id, LogOf()));
  loggers_.push_back({name, logger});
  return logger;
}

Result<std::shared_ptr<Sink>> Stdio::Parts::OpenSink(const std::string& name,
                                                     Logger::Stream stream) {
  Target target = TRY(ParseTarget(name));
  std::unique_ptr<Sink> sink;
  switch (target.kind) {
    case Target::Kind::kNowhere: sink = TRY(OpenPath(loop_, "/dev/null", LogOf())); break;
    case Target::Kind::kPath: sink = TRY(OpenPath(loop_, target.path, LogOf())); break;
    case Target::Kind::kFile: sink = TRY(OpenFile(loop_, target.path, LogOf())); break;
    case Target::Kind::kLogger:
      sink = std::make_unique<LoggerSink>(TRY(StartLogger(name, std::move(target))), stream);
      break;
  }
  return sink;
}

void Stdio::Parts::WhenReady(Done<void> done) {
  readiness_ = std::make_shared<Readiness>(Readiness{loggers_.size(), {}, std::move(done)});
  if (loggers_.empty()) {
    loop_.Post([readiness = readiness_] {
      if (readiness->done) readiness->done({});
    });
  }
  for (const NamedLogger& named : loggers_) {
    named.logger->WhenReady([readiness = readiness_](const Status& status) {
      if (!status) readiness->status = status;
      if (--readiness->left == 0 && readiness->done) readiness->done(readiness->status);
    });
  }
}

Status Stdio::Parts::Attach(os::Fd master) {
  if (terminal_ && !master.valid())
    return Fail(Code::kInvalidArgument,
                "its streams are those of a terminal, and its configuration has none "
                "(process.terminal)");
  if (terminal_) return Serve(std::move(master));
  input_->CloseReader();
  output_->CloseWriter();
  error_->CloseWriter();
  return {};
}

Status Stdio::Parts::Serve(os::Fd master, std::string_view typed, std::string_view shown) {
  master_ = std::move(master);
  TRY(SetBlocking(master_, false));
  if (size_ && ::ioctl(master_.get(), TIOCSWINSZ, &*size_) != 0)
    return FailErrno(errno, "set the terminal's size");
  master_source_ = TRY(loop_.Watch(master_));

  const os::Fd& writer = output_->writer();
  const bool is_pipe = S_ISFIFO(TRY(os::Stat(writer)).st_mode);
  if (is_pipe) {
    TRY(SetBlocking(writer, false));
    output_source_ = TRY(loop_.Watch(writer));
  }
  from_terminal_ = std::make_unique<Pump>(
      loop_, Pump::From{master_, master_source_},
      Pump::To{&writer, is_pipe ? &output_source_ : nullptr},
      Pump::Listener{.on_idle = [this] { OnTerminalIdle(); }, .on_error = nullptr}, shown);

  const os::Fd& reader = input_->reader();
  if (S_ISFIFO(TRY(os::Stat(reader)).st_mode)) {
    TRY(SetBlocking(reader, false));
    input_source_ = TRY(loop_.Watch(reader));
    to_terminal_ =
        std::make_unique<Pump>(loop_, Pump::From{reader, input_source_},
                               Pump::To{&master_, &master_source_}, Pump::Listener{}, typed);
    to_terminal_->Run();
  }
  from_terminal_->Run();
  return {};
}

void Stdio::Parts::OnTerminalIdle() {
  if (ended_) return EndSinks();
  if (from_terminal_->ended())
    terminal_look_ = loop_.After(kTerminalLook, [this] { from_terminal_->Run(); });
}

void Stdio::Parts::EndSinks() {
  terminal_look_ = loop::Timer();
  if (from_terminal_) from_terminal_->Stop();
  output_source_ = loop::Source();
  output_->CloseWriter();
  error_->CloseWriter();
  output_->Ended();
  if (error_ != output_) error_->Ended();
}

Status Stdio::Parts::Resize(uint16_t columns, uint16_t rows) {
  if (!terminal_) return Fail(Code::kFailedPrecondition, "the process has no terminal");
  size_ = winsize{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  if (master_.valid() && ::ioctl(master_.get(), TIOCSWINSZ, &*size_) != 0)
    return FailErrno(errno, "set the terminal's size");
  return {};
}

void Stdio::Parts::Finish(std::function<void()> done) {
  finished_ = std::make_shared<std::function<void()>>(std::move(done));
  if (!output_) return AnswerFinish();
  if (!std::exchange(ended_, true)) {
    to_terminal_.reset();
    input_source_ = loop::Source();
    input_->CloseWriter();
    input_->CloseReader();
    if (from_terminal_) {
      from_terminal_->Run();
    } else {
      EndSinks();
    }
  }
  stalled_since_ = Clock::now();
  finish_until_ = stalled_since_ + kFinishPatience;
  Look();
}

// What is not handed on yet, and what was so far.
std::pair<size_t, uint64_t> Stdio::Parts::Backlog() const {
  size_t left = output_->Left();
  if (error_ != output_) left += error_->Left();
  if (!from_terminal_) return {left, 0};
  return {left + (from_terminal_->idle() ? 0 : 1), from_terminal_->moved()};
}

void Stdio::Parts::Look() {
  const auto now = Clock::now();
  const auto backlog = Backlog();
  if (std::exchange(backlog_, backlog) != backlog) stalled_since_ = now;
  if (backlog.first == 0 || now >= finish_until_ || now - stalled_since_ >= kStallPatience)
    return AnswerFinish();
  look_ = loop_.After(pause_, [this] { Look(); });
  pause_ = std::min(pause_ * 2, kLastLook);
}

void Stdio::Parts::AnswerFinish() {
  look_ = loop::Timer();
  if (!finished_) return;
  loop_.Post([finished = finished_] {
    if (*finished) std::exchange(*finished, nullptr)();
  });
}

void Stdio::Parts::Forget() {
  if (finished_) *finished_ = nullptr;
  if (readiness_) readiness_->done = nullptr;
}

void Stdio::Parts::Close(std::function<void()> done) {
  AnswerFinish();
  terminal_look_ = loop::Timer();
  // Before what they read and write.
  from_terminal_.reset();
  to_terminal_.reset();
  master_source_ = loop::Source();
  input_source_ = loop::Source();
  output_source_ = loop::Source();
  master_.Close();
  input_.reset();
  output_.reset();
  error_.reset();
  if (loggers_.empty()) {
    if (done) loop_.Post(std::move(done));
    return;
  }
  auto left = std::make_shared<size_t>(loggers_.size());
  for (NamedLogger& named : std::exchange(loggers_, {})) {
    Logger& logger = *named.logger;
    logger.Close(std::move(named.logger), [left, done] {
      if (--*left == 0 && done) done();
    });
  }
}

Result<std::unique_ptr<Stdio>> Stdio::Open(loop::Loop& loop, const Streams& streams,
                                           StdioOwner owner) {
  auto stdio =
      std::unique_ptr<Stdio>(new Stdio(std::make_unique<Parts>(loop, streams, std::move(owner))));
  TRY(stdio->parts_->Open(streams));
  return stdio;
}

Stdio::Stdio(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Stdio::~Stdio() {
  parts_->Forget();
  parts_->Close(nullptr);
}

void Stdio::WhenReady(Done<void> done) { parts_->WhenReady(std::move(done)); }
const os::Fd* Stdio::input() const { return parts_->input(); }
const os::Fd* Stdio::output() const { return parts_->output(); }
const os::Fd* Stdio::error() const { return parts_->error(); }
Status Stdio::Attach(os::Fd master) { return parts_->Attach(std::move(master)); }
Status Stdio::Resize(uint16_t columns, uint16_t rows) { return parts_->Resize(columns, rows); }
void Stdio::HandOver(handover::Stdio* state, os::Carried* carried) const {
  parts_->HandOver(state, carried);
}
Status Stdio::CloseInput() {
  parts_->CloseInput();
  return {};
}
void Stdio::Finish(std::function<void()> done) { parts_->Finish(std::move(done)); }
void Stdio::Close(std::function<void()> done) { parts_->Close(std::move(done)); }

}  // namespace wasmoor::sandbox
