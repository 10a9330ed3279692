#include "function/worker/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "function/worker/started.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/spawn.h"

namespace wasmoor::function {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// For a worker that is to end, and to be ready.
constexpr seconds kPatience{5}, kPatienceAtStart{30};
// For the last requests of a function that is another one now.
constexpr seconds kForgetAfter{5};
constexpr size_t kLongestLine = 16 << 10;

Result<std::array<os::Fd, 2>> MakeStream() {
  std::array<int, 2> ends = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return FailErrno(errno, "socketpair");
  return std::array<os::Fd, 2>{os::Fd(ends[0]), os::Fd(ends[1])};
}

nanoseconds TimeOf(const struct timeval& time) {
  return seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                       ::sigdescr_np(WTERMSIG(status)));
  return fmt::format("has ended with status {}", WEXITSTATUS(status));
}

}  // namespace

// ---- WorkerRights

bool WorkerRights::Cover(const Granted& granted) const {
  if (!granted.outgoing.empty() && !asks_others_) return false;
  return std::all_of(granted.preopens.begin(), granted.preopens.end(), [&](const auto& one) {
    const auto status = os::Stat(one.directory);
    return status && std::any_of(trees_.begin(), trees_.end(), [&](const Tree& tree) {
             const bool suffices =
                 tree.access == wasi::Access::kReadWrite || one.access == wasi::Access::kReadOnly;
             return suffices && tree.device == status->st_dev && tree.inode == status->st_ino;
           });
  });
}

Status WorkerRights::Add(const Granted& granted) {
  asks_others_ = asks_others_ || !granted.outgoing.empty();
  for (const wasi::Preopen& one : granted.preopens) {
    const struct stat status = TRY(os::Stat(one.directory));
    trees_.push_back({.device = status.st_dev,
                      .inode = status.st_ino,
                      .access = one.access,
                      .directory = TRY(os::Duplicate(one.directory))});
  }
  return {};
}

// ---- Its start and end.

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::Start(const Parts& parts, WorkerNumber number,
                                                            WorkerRights rights,
                                                            const WorkerSetup& setup) {
  std::unique_ptr<WorkerProcess> worker(
      new WorkerProcess(parts, number, std::move(rights), setup.key));
  TRY_AS(worker->Spawn(), "start a worker for {}", worker->Name());
  TRY(worker->Watch());
  for (WorkerRights::Tree& tree : worker->rights_.trees()) {
    worker->control_->Send(Say::kTree, 0,
                           tree.access == wasi::Access::kReadOnly ? kReadOnlyTree : "",
                           TRY(os::Duplicate(tree.directory)));
  }
  Write(setup, worker->control_->Begin(Say::kSetup, 0));
  worker->control_->End();
  return worker;
}

WorkerProcess::WorkerProcess(const Parts& parts, WorkerNumber number, WorkerRights rights,
                             std::string key)
    : parts_(parts), number_(number), rights_(std::move(rights)), key_(std::move(key)) {
  use_->last = std::chrono::steady_clock::now().time_since_epoch().count();
}

Status WorkerProcess::Spawn() {
  std::array<os::Fd, 2> control = TRY(MakeStream());
  std::array<int, 2> lines = {-1, -1};
  if (::pipe2(lines.data(), O_CLOEXEC) != 0) return FailErrno(errno, "pipe");
  lines_ = os::Fd(lines[0]);
  const os::Fd theirs(lines[1]);
  std::vector<std::string> words = parts_.words;
  words.push_back(key_);
  pid_ = TRY(os::Spawn({.program = os::kThisProgram,
                        .arguments = std::move(words),
                        .descriptors = {nullptr, nullptr, &theirs, &control[1]},
                        .environment = std::vector<std::string>(),
                        .session = os::SpawnRequest::Session::kNew}));
  static_assert(kWorkerControl == 3);
  Channel::Listener& listener = *this;
  control_ = TRY(Channel::Create(parts_.keeper, std::move(control[0]), kMostFromWorker,
                                 Channel::Descriptors::kRefused, listener));
  return {};
}

Status WorkerProcess::Watch() {
  handle_ = TRY(os::OpenProcess(pid_));
  handle_source_ = TRY(parts_.keeper.Watch(handle_));
  handle_source_.OnReadable([this] { Reap(); });
  if (::fcntl(lines_.get(), F_SETFL, O_NONBLOCK) != 0) return FailErrno(errno, "fcntl");
  lines_source_ = TRY(parts_.keeper.Watch(lines_));
  lines_source_.OnReadable([this] { ReadLines(); });
  timers_.push_back(parts_.keeper.After(kPatienceAtStart, [this] {
    if (state_ == State::kStarting) Kill("it did not become ready");
  }));
  return {};
}

WorkerProcess::~WorkerProcess() {
  if (pid_ == 0 || state_ == State::kEnded) return;
  // One that was told to end has a moment.
  constexpr std::chrono::milliseconds kPause{1};
  const auto until = std::chrono::steady_clock::now() + kPatience;
  if (!told_to_end_) ::kill(pid_, SIGKILL);
  control_.reset();
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) ::kill(pid_, SIGKILL);
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = nanoseconds(kPause).count()};
    ::nanosleep(&pause, nullptr);
  }
}

void WorkerProcess::End() {
  state_ = State::kGoing;
  told_to_end_ = true;
  control_->Close();
  timers_.push_back(parts_.keeper.After(kPatience, [this] { Kill(""); }));
}

void WorkerProcess::Kill(std::string why) {
  if (state_ == State::kEnded) return;
  state_ = State::kGoing;
  if (why_killed_.empty()) why_killed_ = std::move(why);
  ::kill(pid_, SIGKILL);
}

void WorkerProcess::Reap() {
  int status = 0;
  struct rusage usage = {};
  if (::wait4(pid_, &status, WNOHANG, &usage) != pid_) return;
  all_cpu_time_ = TimeOf(usage.ru_utime) + TimeOf(usage.ru_stime);
  ReadLines();
  if (!line_.empty()) TellLine(std::exchange(line_, {}));
  handle_source_ = loop::Source();
  lines_source_ = loop::Source();
  timers_.clear();
  state_ = State::kEnded;
  control_->Close();
  std::string how = told_to_end_ && why_killed_.empty() ? "" : HowItEnded(status);
  if (!why_killed_.empty()) how = fmt::format("was ended, since {}", why_killed_);
  parts_.owner.OnEnded(*this, how);
}

nanoseconds WorkerProcess::cpu_time() const {
  if (state_ == State::kEnded) return all_cpu_time_;
  clockid_t clock = 0;
  struct timespec time = {};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return {};
  return seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

std::string WorkerProcess::Name() const {
  return key_.ends_with('/') ? fmt::format("tenant {}", key_.substr(0, key_.size() - 1))
                             : fmt::format("function {}", key_);
}

// ---- Its functions.

Result<std::optional<uint64_t>> WorkerProcess::NumberOf(
    const std::shared_ptr<const Ready>& function) {
  const auto found = functions_.find(function.get());
  if (found != functions_.end()) {
    if (!found->second.loaded) return std::nullopt;
    return found->second.number;
  }
  const uint64_t number = ++last_function_;
  TRY_AS(Tell(*function, number), "function {}", function->function);
  functions_[function.get()] = {.ready = function, .number = number};
  return std::nullopt;
}

Status WorkerProcess::Tell(const Ready& function, uint64_t number) {
  os::Fd code =
      TRY(parts_.cache.OpenToHand(parts_.engine, function.hash, wasm::Cache::Policy::kFastest));
  if (!code.valid())
    return Fail(Code::kUnavailable,
                "its code is not in the cache any more, where workers have it from");
  for (const wasi::Preopen& one : function.granted->preopens) {
    Write(one, control_->Begin(Say::kDirectory, number));
    control_->End(TRY(os::Duplicate(one.directory)));
  }
  Write(function, control_->Begin(Say::kFunction, number));
  control_->End(std::move(code));
  names_.insert(function.function);
  return {};
}

std::vector<std::shared_ptr<const Ready>> WorkerProcess::Forget(const std::string& function) {
  std::vector<std::shared_ptr<const Ready>> forgotten;
  std::vector<uint64_t> numbers;
  std::erase_if(functions_, [&](const auto& one) {
    if (one.second.ready->function != function) return false;
    forgotten.push_back(one.second.ready);
    numbers.push_back(one.second.number);
    return true;
  });
  if (numbers.empty()) return forgotten;
  std::erase_if(timers_, [](const loop::Timer& one) { return !one.pending(); });
  timers_.push_back(parts_.keeper.After(kForgetAfter, [this, numbers] {
    for (const uint64_t number : numbers) control_->Send(Say::kForget, number);
  }));
  return forgotten;
}

std::vector<std::shared_ptr<const Ready>> WorkerProcess::functions() const {
  std::vector<std::shared_ptr<const Ready>> all;
  for (const auto& [key, function] : functions_) all.push_back(function.ready);
  return all;
}

Result<std::shared_ptr<os::Fd>> WorkerProcess::Connect(size_t outlet) {
  if (connected_.contains(outlet)) return nullptr;
  std::array<os::Fd, 2> ends = TRY(MakeStream());
  connected_.insert(outlet);
  control_->Send(Say::kConnection, 0, {}, std::move(ends[1]));
  return std::make_shared<os::Fd>(std::move(ends[0]));
}

// ---- What it says.

Status WorkerProcess::OnFrame(Frame& frame) {
  const Status answered = OnAnswer(frame);
  if (!answered) Kill(answered.error().message());
  return answered;
}

Status WorkerProcess::OnAnswer(const Frame& frame) {
  const bool starts = state_ == State::kStarting;
  switch (frame.say) {
    case Say::kReady:
      if (!starts) return Fail(Code::kDataLoss, "it talks nonsense: it was ready before");
      state_ = State::kReady;
      was_ready_ = true;
      parts_.owner.OnReady(*this);
      return {};
    case Say::kNotReady: {
      const auto why = ReadError(frame.payload);
      if (!starts || !why) return Fail(Code::kDataLoss, "it talks nonsense");
      Kill(fmt::format("it could not begin: {}", Printable(why->message())));
      return {};
    }
    case Say::kLoaded:
    case Say::kNotLoaded: break;
    default: return Fail(Code::kDataLoss, "it talks nonsense: what is not its to say");
  }
  Status loaded;
  if (frame.say == Say::kNotLoaded) {
    const auto why = ReadError(frame.payload);
    if (!why) return Fail(Code::kDataLoss, "it talks nonsense: an error that is none");
    loaded = tl::unexpected(Error(why->code(), Printable(why->message())));
  }
  const auto found = std::find_if(functions_.begin(), functions_.end(), [&](const auto& one) {
    return one.second.number == frame.number && !one.second.loaded;
  });
  // It may have been forgotten meanwhile.
  if (found == functions_.end()) return {};
  const std::shared_ptr<const Ready> ready = found->second.ready;
  found->second.loaded = loaded.has_value();
  if (!loaded) functions_.erase(found);
  parts_.owner.OnFunction(*this, ready, loaded);
  return {};
}

void WorkerProcess::OnClosed(const Error& why) {
  // Its end is told of by its process.
  if (why.code() != Code::kUnavailable)
    Kill(why.message());
  else if (state_ != State::kEnded && !told_to_end_)
    Kill("");
}

void WorkerProcess::ReadLines() {
  std::array<char, 16 << 10> buffer;
  const ssize_t got = ::read(lines_.get(), buffer.data(), buffer.size());
  if (got <= 0) {
    if (got == 0) lines_source_ = loop::Source();
    return;
  }
  line_.append(buffer.data(), static_cast<size_t>(got));
  size_t begin = 0;
  for (size_t end; (end = line_.find('\n', begin)) != line_.npos; begin = end + 1)
    TellLine(std::string_view(line_).substr(begin, end - begin));
  line_.erase(0, begin);
  if (line_.size() > kLongestLine) TellLine(std::exchange(line_, {}));
}

void WorkerProcess::TellLine(std::string_view line) {
  std::string_view function;
  if (line.starts_with(kLineMark)) {
    line.remove_prefix(1);
    const size_t end = std::min(line.find(kLineMark), line.size());
    function = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  const bool is_its = names_.contains(function);
  parts_.owner.OnLine(*this, is_its ? function : std::string_view(), line);
}

}  // namespace wasmoor::function
