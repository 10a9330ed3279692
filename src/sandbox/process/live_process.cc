#include "sandbox/process/live_process.h"

#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "sandbox/handover.h"
#include "wasmoor/os/process.h"

namespace wasmoor::sandbox {
namespace {

constexpr uint32_t kSignalStatus = 128;
// As a shell has it for a program that could not be started.
constexpr uint32_t kNotStarted = 255;

uint32_t StatusOf(const siginfo_t& child) {
  const auto status = static_cast<uint32_t>(child.si_status);
  return child.si_code == CLD_EXITED ? status : kSignalStatus + status;
}

}  // namespace

LiveProcess::LiveProcess(Surroundings& surroundings, std::string id, std::string exec_id,
                         Streams streams)
    : surroundings_(surroundings),
      id_(std::move(id)),
      exec_id_(std::move(exec_id)),
      streams_(std::move(streams)) {}

LiveProcess::~LiveProcess() = default;

ProcessInfo LiveProcess::info() const {
  ProcessInfo info{.state = state_, .pid = pid_, .streams = streams_};
  if (state_ == State::kStopped && ended_) info.exit = *ended_;
  return info;
}

Status LiveProcess::Signal(int signal) { return os::SignalProcess(process_, signal); }

Status LiveProcess::Kill(int signal) {
  if (pid_ == 0 && state_ == State::kCreated)
    return Fail(Code::kFailedPrecondition, "process not started");
  Status sent = ended_ || pid_ == 0 ? FailErrno(ESRCH, "") : Signal(signal);
  if (sent || sent.error().error_number() != ESRCH) return sent;
  return Fail(Code::kNotFound, "process already finished");
}

void LiveProcess::Wait(Done<Exit> done) {
  if (state_ != State::kStopped) return waiting_.push_back(std::move(done));
  loop::Answer<Exit>(surroundings_.loop, std::move(done), *ended_);
}

Status LiveProcess::Resize(uint16_t columns, uint16_t rows) {
  if (stdio_) return stdio_->Resize(columns, rows);
  if (!streams_.terminal)
    return Fail(Code::kFailedPrecondition, "the process has no terminal to resize");
  size_ = {columns, rows};
  return {};
}

Status LiveProcess::CloseInput() { return stdio_ ? stdio_->CloseInput() : Status(); }

void LiveProcess::CloseStreams() {
  if (stdio_) stdio_->Close([] {});
}

StdioOwner LiveProcess::Owner() const {
  StdioOwner owner{.name_space = surroundings_.name_space, .id = id_, .exec_id = exec_id_};
  owner.log = surroundings_.log;
  return owner;
}

void LiveProcess::OpenStreams(Done<void> done) {
  auto opened = Stdio::Open(surroundings_.loop, streams_, Owner());
  if (!opened)
    return loop::Answer<void>(surroundings_.loop, std::move(done),
                              tl::unexpected(std::move(opened).error()));
  stdio_ = std::move(*opened);
  stdio_->WhenReady(std::move(done));
}

void LiveProcess::LendStreams(jail::ProcessOptions* options) const {
  options->standard_input = stdio_->input();
  options->standard_output = stdio_->output();
  options->standard_error = stdio_->error();
}

Status LiveProcess::Adopt(jail::Started started) {
  pid_ = started.pid;
  process_ = std::move(started.process);
  end_ = TRY(surroundings_.loop.Watch(process_));
  end_.OnReadable([this] { Reap(); });
  TRY(stdio_->Attach(std::move(started.terminal)));
  if (size_) static_cast<void>(stdio_->Resize(size_->first, size_->second));
  return {};
}

bool LiveProcess::IsChild() const {
  siginfo_t child = {};
  return ::waitid(P_PIDFD, static_cast<id_t>(process_.get()), &child,
                  WEXITED | WNOHANG | WNOWAIT) == 0;
}

Status LiveProcess::HandOver(handover::Process* state, os::Carried* carried) const {
  if (starting_) return Fail(Code::kUnavailable, "a process of \"{}\" is being started", id_);
  state->set_exec_id(exec_id_);
  Describe(streams_, state->mutable_streams());
  state->set_state(StateOf(state_));
  state->set_pid(pid_);
  state->set_silent(silent_);
  if (ended_) Describe(*ended_, state->mutable_exit());
  if (stdio_) stdio_->HandOver(state->mutable_stdio(), carried);
  return {};
}

// Whoever was a child of the program before is one of this, which is the same process.
Status LiveProcess::TakeOver(const handover::Process& state) {
  state_ = ReadState(state.state());
  pid_ = state.pid();
  silent_ = state.silent();
  if (state.has_stdio())
    stdio_ = TRY(Stdio::TakeOver(surroundings_.loop, streams_, Owner(), state.stdio()));
  if (state.has_exit()) {
    ended_ = ReadExit(state.exit());
    if (state_ != State::kStopped) Conclude();
    return {};
  }
  if (pid_ == 0) return {};
  process_ = TRY_AS(os::OpenProcess(pid_), "process {} of \"{}\"", pid_, id_);
  end_ = TRY(surroundings_.loop.Watch(process_));
  end_.OnReadable([this] { Reap(); });
  return {};
}

Status LiveProcess::BeginStart() {
  if (state_ != State::kCreated || starting_)
    return Fail(Code::kFailedPrecondition, "cannot start a process that is {}",
                starting_ ? "being started" : StateName(state_));
  if (ended_) return Fail(Code::kFailedPrecondition, "the process has ended before its start");
  starting_ = true;
  return {};
}

void LiveProcess::EndStart(const Done<pid_t>& done, Status started) {
  starting_ = false;
  state_ = State::kRunning;
  if (started) {
    done(pid_);
  } else {
    // One that never was has ended now; of another the end is still to come, or has come.
    silent_ = true;
    if (pid_ == 0) ended_ = Exit{kNotStarted, std::chrono::system_clock::now()};
    done(tl::unexpected(std::move(started).error()));
  }
  if (ended_) Conclude();
}

void LiveProcess::Reap() {
  siginfo_t child = {};
  const auto descriptor = static_cast<id_t>(process_.get());
  const int waited = ::waitid(P_PIDFD, descriptor, &child, WEXITED | WNOHANG);
  if (waited == 0 && child.si_pid == 0) return;  // Traced, say.
  // ECHILD: somebody else has reaped it, and its status is lost.
  ended_ = Exit{waited == 0 ? StatusOf(child) : kNotStarted, std::chrono::system_clock::now()};
  end_ = loop::Source();
  if (!starting_) Conclude();
}

// Tells of the end once everything that it wrote is on its way.
void LiveProcess::Conclude() {
  const auto end = [this] {
    state_ = State::kStopped;
    OnEnd(*ended_);
    const std::vector<Done<Exit>> waiting = std::exchange(waiting_, {});
    const Exit exit = *ended_;
    if (!silent_) surroundings_.listener.OnExit(id_, exec_id_, pid_, exit);
    for (const Done<Exit>& one : waiting) one(exit);
  };
  if (stdio_) {
    stdio_->Finish(end);
  } else {
    later_ = surroundings_.loop.After({}, end);
  }
}

}  // namespace wasmoor::sandbox
