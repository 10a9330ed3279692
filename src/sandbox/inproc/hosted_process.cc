#include "sandbox/inproc/hosted_process.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "jail/terminal.h"
#include "sandbox/stdio/target.h"
#include "wasmoor/base/time.h"
#include "wasmoor/host/host.h"
#include "wasmoor/os/file.h"

namespace wasmoor::sandbox {
namespace {

constexpr uint32_t kSignalStatus = 128;
constexpr int kStreams = 3;

// Those that a process would not end by (signal(7)).
bool IsHarmless(int signal) {
  constexpr std::array kHarmless = {0,       SIGCHLD, SIGCONT, SIGURG,  SIGWINCH, SIGPIPE,
                                    SIGXFSZ, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
  for (const int one : kHarmless) {
    if (one == signal) return true;
  }
  return false;
}

Error ErrorOf(const host::Failure& failure) {
  const bool is_known =
      failure.code() > 0 && failure.code() <= static_cast<int>(Code::kUnauthenticated);
  return Error(is_known ? static_cast<Code>(failure.code()) : Code::kUnknown, failure.message(),
               failure.error_number());
}

cgroup::Stats StatsOf(const host::Stats& told) {
  cgroup::Stats stats;
  cgroup::CpuStats& cpu = stats.cpu.emplace();
  cpu.usage_ns = cpu.user_ns = told.cpu_ns();
  cpu.throttled_periods = told.throttled_periods();
  cpu.throttled_ns = told.throttled_ns();
  cgroup::MemoryStats& memory = stats.memory.emplace();
  memory.usage = memory.max_usage = memory.rss = told.memory_bytes();
  memory.limit = told.memory_limit();
  memory.failures = told.memory_refusals();
  stats.pids.emplace().current = 1;
  return stats;
}

}  // namespace

HostedProcess::HostedProcess(InprocParts& parts, std::string id, std::string exec_id,
                             Streams streams)
    : parts_(parts),
      id_(std::move(id)),
      exec_id_(std::move(exec_id)),
      streams_(std::move(streams)) {}

HostedProcess::~HostedProcess() {
  if (!link_) return;
  link_->Forget(guest_);
  if (!at_host_) return;
  Tell([](host::Order& order) { order.mutable_remove(); });
}

StdioOwner HostedProcess::Owner() const {
  return {.name_space = parts_.name_space, .id = id_, .exec_id = exec_id_, .log = parts_.log};
}

void HostedProcess::Tell(const std::function<void(host::Order&)>& what) {
  host::Order order;
  order.set_guest(guest_);
  what(order);
  link_->Send(order);
}

bool HostedProcess::StreamsArePlain() const {
  if (streams_.terminal) return false;
  for (const std::string* name : {&streams_.input, &streams_.output, &streams_.error}) {
    const auto target = ParseTarget(*name);
    if (!target || (target->kind != Target::Kind::kNowhere && target->kind != Target::Kind::kPath))
      return false;
  }
  return true;
}

// A FIFO is opened by the guest's own thread, in a descriptor table of its own: this process would
// soon have none left. What is more than that is this one's to serve.
Status HostedProcess::OpenStreams(google::protobuf::RepeatedPtrField<host::Stream>* streams,
                                  std::vector<const os::Fd*>* descriptors) {
  if (!StreamsArePlain()) {
    stdio_ = TRY(Stdio::Open(parts_.loop, streams_, Owner()));
    if (streams_.terminal) {
      TRY(OpenTerminal());
      for (int i = 0; i < kStreams; ++i) {
        streams->Add()->set_given(true);
        descriptors->push_back(&slave_);
      }
      return {};
    }
    for (const os::Fd* one : {stdio_->input(), stdio_->output(), stdio_->error()}) {
      streams->Add()->set_given(one != nullptr);
      if (one != nullptr) descriptors->push_back(one);
    }
    return {};
  }
  for (const std::string* name : {&streams_.input, &streams_.output, &streams_.error})
    streams->Add()->set_path(TRY(ParseTarget(*name)).path);
  const std::string& input = streams->at(0).path();
  if (input.empty()) return {};
  // Its end is for CloseInput to say, and not for a client that goes.
  os::Fd file = TRY_AS(os::OpenAt(os::Fd(), input.c_str(), O_PATH), "input {}", input);
  if (!S_ISFIFO(TRY(os::Stat(file)).st_mode)) return {};
  input_ = TRY_AS(os::OpenAt(os::Fd(), input.c_str(), O_RDWR | O_NONBLOCK), "input {}", input);
  return {};
}

// One of this process's, since a thread has no session to have a terminal in: what is typed and
// what is written pass through it, and nothing that is typed is a signal.
Status HostedProcess::OpenTerminal() {
  const os::Fd root = TRY(os::OpenAt(os::Fd(), "/", O_PATH | O_DIRECTORY));
  jail::Terminal terminal = TRY(jail::OpenTerminal(root, std::nullopt));
  master_ = std::move(terminal.master);
  slave_ = std::move(terminal.slave);
  return {};
}

void HostedProcess::Make(std::shared_ptr<HostLink> link, host::Order order, const os::Fd* module,
                         Done<void> done) {
  if (link_) link_->Forget(guest_);
  link_ = std::move(link);
  guest_ = parts_.hosts.NextGuest();
  order.set_guest(guest_);
  std::vector<const os::Fd*> descriptors;
  auto* streams = order.has_exec() ? order.mutable_exec()->mutable_streams()
                                   : order.mutable_create()->mutable_streams();
  if (Status opened = OpenStreams(streams, &descriptors); !opened)
    return loop::Answer(parts_.loop, std::move(done), std::move(opened));
  if (module != nullptr) {
    descriptors.push_back(module);
    order.mutable_create()->set_module_given(true);
  }
  if (order.ByteSizeLong() > host::kMostInMessage)
    return loop::Answer<void>(
        parts_.loop, std::move(done),
        Fail(Code::kInvalidArgument, "its arguments and its environment have more than {} bytes",
             host::kMostInMessage));
  made_ = std::move(done);
  link_->Register(guest_, this);
  if (!stdio_) return link_->Send(order, descriptors);
  stdio_->WhenReady([this, order = std::move(order), descriptors](const Status& ready) {
    if (!ready) return OnMade(ready, 0);
    link_->Send(order, descriptors);
  });
}

void HostedProcess::OnMade(const Status& made, pid_t thread) {
  thread_ = thread;
  at_host_ = made.has_value();
  Status result = made;
  slave_.Close();
  if (made && stdio_) result = stdio_->Attach(std::move(master_));
  if (!made) {
    link_->Forget(guest_);
    input_.Close();
    if (stdio_) stdio_->Close([] {});
    // The object may be the one that calls.
    parts_.loop.Post([gone = std::shared_ptr(std::move(stdio_))] {});
  }
  const Done<void> done = std::exchange(made_, nullptr);
  if (done) done(std::move(result));
}

// A host is believed as far as its words can be true: a guest that has broken out of its jail may
// speak for it.
bool HostedProcess::IsPossible(const host::Note& note) const {
  switch (note.what_case()) {
    case host::Note::kMade:
    case host::Note::kNotMade:
    case host::Note::kNeedsProcess: return made_ != nullptr;
    case host::Note::kEnded: return at_host_ && !ended_;
    case host::Note::kGone: return removed_ != nullptr;
    default: return true;
  }
}

void HostedProcess::OnNote(const host::Note& note) {
  if (!IsPossible(note)) return;
  switch (note.what_case()) {
    case host::Note::kMade: return OnMade({}, note.made().thread());
    case host::Note::kNotMade: return OnMade(tl::unexpected(ErrorOf(note.not_made())), 0);
    case host::Note::kNeedsProcess:
      return OnMade(Fail(Code::kUnimplemented, "{}", note.needs_process()), 0);
    case host::Note::kEnded: return OnEnded(note.ended());
    case host::Note::kGone: {
      at_host_ = false;
      link_->Forget(guest_);
      for (auto& [number, asked] : std::exchange(questions_, {}))
        asked(Fail(Code::kNotFound, "process already finished"));
      const Done<void> done = std::exchange(removed_, nullptr);
      if (done) done({});
      return;
    }
    case host::Note::kStats: {
      const auto question = questions_.extract(note.stats().question());
      if (question) question.mapped()(note.stats());
      return;
    }
    default: return;
  }
}

void HostedProcess::OnLost() {
  at_host_ = false;
  lost_ = true;
  const Error lost(Code::kAborted, "the host of the guest has died; its log says why");
  if (made_) return OnMade(tl::unexpected(lost), 0);
  for (auto& [number, done] : std::exchange(questions_, {})) done(tl::unexpected(lost));
  if (started_) TellStarted(started_.get(), thread_);
  if (!ended_) Conclude({kSignalStatus + SIGKILL, std::chrono::system_clock::now()});
  if (const Done<void> done = std::exchange(removed_, nullptr)) done({});
}

void HostedProcess::OnEnded(const host::Ended& ended) {
  ended_ = Exit{ended.status(), FromNanoseconds(ended.at())};
  if (started_) TellStarted(started_.get(), thread_);
  if (ended.out_of_memory()) parts_.listener.OnOutOfMemory(id_);
  if (ended.unread()) HoldForReaders();
  FinishStreams();
}

// Its end is told once all that it has written is with its readers.
void HostedProcess::FinishStreams() {
  if (!stdio_) return Conclude(*ended_);
  stdio_->Finish([this] { Conclude(*ended_); });
}

// Nobody reads what it has left; who comes later is to find it.
void HostedProcess::HoldForReaders() {
  auto opened = Stdio::Open(
      parts_.loop, {.input = "", .output = streams_.output, .error = streams_.error}, Owner());
  if (opened) {
    stdio_ = std::move(*opened);
    static_cast<void>(stdio_->Attach(os::Fd()));
  }
  Tell([](host::Order& order) { order.mutable_let_go(); });
}

void HostedProcess::Conclude(const Exit& exit) {
  ended_ = exit;
  state_ = State::kStopped;
  input_.Close();
  if (on_end) on_end(exit);
  const std::vector<Done<Exit>> waiting = std::exchange(waiting_, {});
  parts_.listener.OnExit(id_, exec_id_, thread_, exit);
  for (const Done<Exit>& one : waiting) one(exit);
}

ProcessInfo HostedProcess::info() const {
  ProcessInfo info{.state = state_, .pid = thread_, .streams = streams_};
  if (state_ == State::kStopped && ended_) info.exit = *ended_;
  return info;
}

void HostedProcess::Start(Done<pid_t> done) {
  if (state_ != State::kCreated)
    return loop::Answer<pid_t>(
        parts_.loop, std::move(done),
        Fail(Code::kFailedPrecondition, "cannot start a process that is {}", StateName(state_)));
  if (ended_)
    return loop::Answer<pid_t>(
        parts_.loop, std::move(done),
        Fail(Code::kFailedPrecondition, "the process has ended before its start"));
  state_ = State::kRunning;
  Tell([](host::Order& order) { order.mutable_start(); });
  // It waits for nothing but that. Answered when the loop goes on, or its end is told before.
  started_ = std::make_shared<Done<pid_t>>(std::move(done));
  parts_.loop.Post([started = started_, pid = thread_] { TellStarted(started.get(), pid); });
}

void HostedProcess::TellStarted(Done<pid_t>* started, pid_t pid) {
  if (const Done<pid_t> done = std::exchange(*started, nullptr)) done(pid);
}

Status HostedProcess::Kill(int signal) {
  if (ended_ || state_ == State::kStopped) return Fail(Code::kNotFound, "process already finished");
  if (!at_host_) return Fail(Code::kFailedPrecondition, "process not started");
  if (signal < 0 || signal > SIGRTMAX)
    return Fail(Code::kInvalidArgument, "there is no signal {}", signal);
  if (IsHarmless(signal)) return {};
  Tell([signal](host::Order& order) { order.mutable_signal()->set_number(signal); });
  return {};
}

void HostedProcess::Wait(Done<Exit> done) {
  if (state_ != State::kStopped) return waiting_.push_back(std::move(done));
  loop::Answer<Exit>(parts_.loop, std::move(done), *ended_);
}

Status HostedProcess::Resize(uint16_t columns, uint16_t rows) {
  if (stdio_ && streams_.terminal) return stdio_->Resize(columns, rows);
  return Fail(Code::kFailedPrecondition, "the process has no terminal to resize");
}

Status HostedProcess::CloseInput() {
  input_.Close();
  return stdio_ ? stdio_->CloseInput() : Status();
}

void HostedProcess::Pause(Done<void> done) {
  if (state_ != State::kRunning)
    return loop::Answer<void>(
        parts_.loop, std::move(done),
        Fail(Code::kFailedPrecondition, "cannot pause a container that is {}", StateName(state_)));
  state_ = State::kPaused;
  Tell([](host::Order& order) { order.mutable_pause(); });
  loop::Answer<void>(parts_.loop, std::move(done), {});
}

void HostedProcess::Resume(Done<void> done) {
  if (state_ != State::kPaused)
    return loop::Answer<void>(
        parts_.loop, std::move(done),
        Fail(Code::kFailedPrecondition, "cannot resume a container that is {}", StateName(state_)));
  state_ = State::kRunning;
  Tell([](host::Order& order) { order.mutable_resume(); });
  loop::Answer<void>(parts_.loop, std::move(done), {});
}

void HostedProcess::ReadStats(Done<cgroup::Stats> done) {
  ReadUse([done = std::move(done)](const Result<host::Stats>& told) {
    done(told ? Result<cgroup::Stats>(StatsOf(*told)) : tl::unexpected(told.error()));
  });
}

void HostedProcess::ReadUse(Done<host::Stats> done) {
  if (!at_host_)
    return loop::Answer<host::Stats>(parts_.loop, std::move(done),
                                     Fail(Code::kNotFound, "process already finished"));
  questions_[++last_question_] = std::move(done);
  Tell([this](host::Order& order) { order.mutable_read_stats()->set_question(last_question_); });
}

void HostedProcess::Remove(Done<void> done) {
  if (!at_host_) return loop::Answer<void>(parts_.loop, std::move(done), {});
  removed_ = std::move(done);
  Tell([](host::Order& order) { order.mutable_remove(); });
}

}  // namespace wasmoor::sandbox
