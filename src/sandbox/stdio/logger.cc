#include "sandbox/stdio/logger.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "wasmoor/os/carried.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/signal.h"
#include "wasmoor/os/spawn.h"

namespace wasmoor::sandbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// A process closes its descriptors a little before it can be seen to have ended.
constexpr milliseconds kDeathPatience{5};
constexpr int kPauseFactor = 3;
constexpr seconds kGoodLife{30};

constexpr size_t kFirstPipe = 3;
constexpr size_t kReadyPipe = 5;

}  // namespace

Logger::Logger(loop::Loop& loop, Target target, std::string name_space, std::string id, Log log,
               LoggerPatience patience)
    : loop_(loop),
      target_(std::move(target)),
      name_space_(std::move(name_space)),
      id_(std::move(id)),
      log_(std::move(log)),
      patience_(patience) {}

Logger::~Logger() = default;

Result<std::shared_ptr<Logger>> Logger::Start(loop::Loop& loop, Target target,
                                              std::string name_space, std::string id, Log log,
                                              LoggerPatience patience) {
  auto logger = std::shared_ptr<Logger>(new Logger(loop, std::move(target), std::move(name_space),
                                                   std::move(id), std::move(log), patience));
  for (PipeEnds& pipe : logger->pipes_) pipe = TRY(MakePipe());
  TRY_AS(logger->Spawn(), "logger");
  Logger* const self = logger.get();
  logger->timer_ = loop.After(patience.ready, [self] {
    self->Answer(Fail(Code::kDeadlineExceeded,
                      "logger {}: did not say within {} ms that it listens", self->target_.path,
                      self->patience_.ready.count()));
  });
  return logger;
}

Status Logger::Spawn() {
  PipeEnds ready = TRY(MakePipe());
  TRY(SetBlocking(ready.reader, false));
  os::SpawnRequest request;
  request.program = target_.path;
  request.arguments = {target_.path};
  request.arguments.insert(request.arguments.end(), target_.arguments.begin(),
                           target_.arguments.end());
  request.descriptors.resize(kReadyPipe + 1, nullptr);
  for (size_t i = 0; i < pipes_.size(); ++i)
    request.descriptors[kFirstPipe + i] = &pipes_.at(i).reader;
  request.descriptors[kReadyPipe] = &ready.writer;
  request.environment = {{"CONTAINER_ID=" + id_, "CONTAINER_NAMESPACE=" + name_space_}};
  ready_source_ = loop::Source();
  ready_pipe_ = std::move(ready.reader);
  ready_source_ = TRY(loop_.Watch(ready_pipe_));
  ready_source_.OnReadable([this] { OnReadyPipe(); });

  pid_ = TRY(os::Spawn(request));
  started_ = Clock::now();
  Status watched = WatchProcess();
  if (watched) return {};
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  return watched;
}

Status Logger::WatchProcess() {
  os::Fd process = TRY(os::OpenProcess(pid_));
  death_ = TRY(loop_.Watch(process));
  process_ = std::move(process);
  death_.OnReadable([this] { OnDeath(); });
  return {};
}

void Logger::OnReadyPipe() {
  char byte = 0;
  const ssize_t got = ::read(ready_pipe_.get(), &byte, 1);
  if (got < 0) return;
  if (got > 0) {
    return Answer({});
  }
  ready_source_ = loop::Source();
  ready_pipe_.Close();
  if (ready_) return;
  if (target_.must_say_ready)
    return Answer(Fail(Code::kUnavailable,
                       "logger {}: closed its pipe without saying that it listens", target_.path));
  timer_ = loop_.After(kDeathPatience, [this] { Answer({}); });
}

void Logger::Answer(Status status) {
  if (ready_) return;
  timer_ = loop::Timer();
  ready_ = std::move(status);
  if (when_ready_) WhenReady(std::exchange(when_ready_, nullptr));
}

void Logger::WhenReady(Done<void> done) {
  if (!ready_) {
    when_ready_ = std::move(done);
    return;
  }
  loop_.Post([done = std::move(done), status = *ready_] { done(status); });
}

// How it ended; whoever else reaps every child of this process may have been faster.
std::string Logger::Reap() {
  death_ = loop::Source();
  process_.Close();
  int status = 0;
  failed_ = true;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return "ended";
  if (WIFSIGNALED(status)) return fmt::format("was killed by {}", os::SignalName(WTERMSIG(status)));
  failed_ = WEXITSTATUS(status) != 0;
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

void Logger::OnDeath() {
  const std::string how = Reap();
  if (self_) {
    timer_ = loop::Timer();
    if (closed_) loop_.Post(std::move(closed_));
    self_.reset();
    return;
  }
  // With "binary" one that ends well without a word was ready, as a program that knows nothing of
  // the pipe is.
  if (!ready_ && (failed_ || target_.must_say_ready))
    return Answer(Fail(Code::kUnavailable, "logger {}: {} before it listened", target_.path, how));
  Answer({});
  if (Finished()) return;
  deaths_ = Clock::now() - started_ >= kGoodLife ? 1 : deaths_ + 1;
  if (deaths_ > patience_.most_deaths) {
    log_(fmt::format("logger {}: {} once more, and is given up; what the process writes is lost",
                     target_.path, how));
    return GiveUp();
  }
  log_(fmt::format("logger {}: {} while the process runs; it is started again", target_.path, how));
  milliseconds pause = patience_.pause;
  for (int i = 1; i < deaths_; ++i) pause *= kPauseFactor;
  timer_ = loop_.After(pause, [this] { StartAgain(); });
}

// Nobody writes any more, and everything is read.
bool Logger::Finished() const {
  for (const PipeEnds& pipe : pipes_) {
    struct pollfd look = {.fd = pipe.reader.get(), .events = POLLIN, .revents = 0};
    if (::poll(&look, 1, 0) != 1 || look.revents != POLLHUP) return false;
  }
  return true;
}

void Logger::StartAgain() {
  if (Finished()) return;
  const Status started = Spawn();
  if (started) return;
  log_(fmt::format("logger {}; it is given up, and what the process writes is lost",
                   started.error().message()));
  GiveUp();
}

void Logger::GiveUp() {
  given_up_ = true;
  for (size_t i = 0; i < pipes_.size(); ++i) {
    const os::Fd& reader = pipes_.at(i).reader;
    auto source = loop_.Watch(reader);
    if (!source || !SetBlocking(reader, false)) continue;
    Waste& waste = wastes_.at(i);
    waste.source = std::move(*source);
    waste.pump = std::make_unique<Pump>(loop_, Pump::From{reader, waste.source},
                                        Pump::To{nullptr, nullptr}, Pump::Listener{});
    waste.pump->Run();
  }
}

void Logger::Close(std::shared_ptr<Logger> self, std::function<void()> done) {
  Answer(Fail(Code::kCancelled, "logger {}: is not needed any more", target_.path));
  timer_ = loop::Timer();
  for (Waste& waste : wastes_) {
    waste.pump.reset();
    waste.source = loop::Source();
  }
  ready_source_ = loop::Source();
  ready_pipe_.Close();
  pipes_ = {};
  if (!process_.valid()) {
    if (done) loop_.Post(std::move(done));
    return;
  }
  self_ = std::move(self);
  closed_ = std::move(done);
  timer_ = loop_.After(patience_.end, [this] {
    log_(fmt::format("logger {}: does not end with what it reads; it is terminated", target_.path));
    static_cast<void>(os::SignalProcess(process_, SIGTERM).has_value());
    timer_ = loop_.After(patience_.terminated, [this] {
      static_cast<void>(os::SignalProcess(process_, SIGKILL).has_value());
    });
  });
}

void Logger::HandOver(handover::Logger* state, os::Carried* carried) const {
  for (const PipeEnds& pipe : pipes_) {
    state->add_readers(carried->Keep(pipe.reader));
    state->add_writers(carried->Keep(pipe.writer));
  }
  if (process_.valid()) state->set_pid(pid_);
  state->set_given_up(given_up_);
  state->set_deaths(deaths_);
}

Result<std::shared_ptr<Logger>> Logger::TakeOver(loop::Loop& loop, const handover::Logger& state,
                                                 Target target, std::string name_space,
                                                 std::string id, Log log) {
  auto logger = std::shared_ptr<Logger>(new Logger(loop, std::move(target), std::move(name_space),
                                                   std::move(id), std::move(log), {}));
  for (size_t i = 0; i < logger->pipes_.size(); ++i) {
    const int at = static_cast<int>(i);
    if (at < state.readers_size()) logger->pipes_.at(i).reader = os::TakeCarried(state.readers(at));
    if (at < state.writers_size()) logger->pipes_.at(i).writer = os::TakeCarried(state.writers(at));
  }
  logger->ready_ = Status();
  logger->deaths_ = state.deaths();
  logger->started_ = Clock::now();
  logger->pid_ = state.pid();
  // It may have ended meanwhile.
  if (state.pid() != 0 && logger->WatchProcess()) return logger;
  if (state.given_up()) {
    logger->GiveUp();
  } else {
    logger->StartAgain();
  }
  return logger;
}

void LoggerSink::HandOver(handover::Sink* state, os::Carried*) const {
  state->mutable_logger()->set_error(stream_ == Logger::Stream::kError);
}

}  // namespace wasmoor::sandbox
