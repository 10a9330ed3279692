#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "function/lane_jail.h"
#include "function/preopens.h"
#include "function/worker/channel.h"
#include "function/worker/guest_runs.h"
#include "function/worker/messages.h"
#include "function/worker/started.h"
#include "wasmoor/cgroup/seats.h"
#include "wasmoor/cgroup/threads.h"
#include "wasmoor/function/worker/worker.h"
#include "wasmoor/os/capability.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/limit.h"
#include "wasmoor/seccomp/guest.h"
#include "wasmoor/seccomp/program.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::function {
namespace {

// For guests that are told to end when the server is gone, or has no use for the worker.
constexpr std::chrono::milliseconds kLastGrace{2000}, kLookEvery{1}, kEndIdleEvery{1000};
// What host functions and the engine's own code use beneath a guest's frames.
constexpr uint64_t kOwnStack = 512 << 10;
// Of the process's own data, besides its guests' memories and its threads' stacks.
constexpr uint64_t kOwnData = 256 << 20;

// What is written to standard error, so that the server knows whose it is.
class Lines {
 public:
  void Write(std::string_view function, std::string_view lines) {
    std::string text;
    while (!lines.empty()) {
      const size_t end = lines.find('\n');
      text += fmt::format("{}{}{}{}\n", kLineMark, function, kLineMark, lines.substr(0, end));
      lines.remove_prefix(end == lines.npos ? lines.size() : end + 1);
    }
    std::string_view left = text;
    const std::lock_guard lock(mutex_);
    while (!left.empty()) {
      const ssize_t size = ::write(STDERR_FILENO, left.data(), left.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return;
      left.remove_prefix(static_cast<size_t>(size));
    }
  }

 private:
  std::mutex mutex_;
};

// Of this process, in bytes: what it has that can be written and is its own.
uint64_t DataNow() {
  constexpr size_t kMost = 4096;
  constexpr int kField = 5;  // proc(5), statm: counted from 0, in pages.
  const auto file = os::OpenAt(os::Fd(), "/proc/self/statm", O_RDONLY);
  const auto bytes = file ? os::ReadAll(*file, kMost) : Result<std::vector<uint8_t>>();
  if (!bytes) return 0;
  std::string_view left(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  for (int i = 0; i < kField && !left.empty(); ++i)
    left.remove_prefix(std::min(left.find(' '), left.size() - 1) + 1);
  uint64_t pages = 0;
  std::from_chars(left.data(), left.data() + left.size(), pages);
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Which its guests' threads cannot change.
void SetDataLimit(uint64_t bytes) {
  const os::ResourceLimit now = os::GetLimit(RLIMIT_DATA);
  static_cast<void>(
      os::SetLimit(0, RLIMIT_DATA, {.soft = std::min(bytes, now.hard), .hard = now.hard}));
}

class Worker final : private WorkerSide, private Channel::Listener {
 public:
  explicit Worker(const wasm::EngineFactory& factory) : factory_(factory) {}
  Status Run(os::Fd control);

 private:
  Status OnFrame(Frame& frame) override;
  void OnClosed(const Error& why) override;

  const program::Host& host() const override { return host_; }
  const WorkerFunctions& functions() const override { return functions_; }
  void BeginApart(Station& station, Job& job, std::shared_ptr<const Ready> function) override;
  void Say(std::string_view function, std::string_view lines) override {
    lines_.Write(function, lines);
  }

  Status Prepare(const WorkerSetup& setup);
  Status MakeSeats(Groups groups);
  Status EnterJail();
  void LimitMemory(const WorkerSetup& setup);
  Status MakeLanes(const WorkerSetup& setup);
  Result<Served> Load(const Frame& frame, os::Fd code);
  void OnFunction(Frame& frame);
  Status OnDirectory(Frame& frame);
  void OnConnection(os::Fd connection);
  void WaitForGuests();
  void EndIdle();

  const wasm::EngineFactory& factory_;
  Lines lines_;
  std::unique_ptr<loop::Loop> keeper_;
  std::unique_ptr<Channel> control_;
  std::vector<std::pair<os::Fd, os::OpenTree::Access>> trees_;
  os::Connections connections_ = os::Connections::kNone;
  bool jail_ = true, has_idle_ = false;
  uint64_t stack_bytes_ = 0, most_data_ = 0;
  program::Host host_;
  std::optional<cgroup::Seats> seats_;
  std::unique_ptr<wasm::Engine> engine_;
  std::optional<Handlers> handlers_;
  WorkerFunctions functions_;
  std::map<uint64_t, std::vector<wasi::Preopen>> directories_;  // Of functions that are to come.
  std::unique_ptr<Lanes> lanes_;
  std::vector<std::unique_ptr<GuestRuns>> runs_;  // The station's.
  loop::Timer waiting_, grace_, ending_idle_;
};

Status Worker::Run(os::Fd control) {
  keeper_ = TRY(loop::Loop::Create());
  Channel::Listener& listener = *this;
  control_ = TRY(Channel::Create(*keeper_, std::move(control), kMostFromServer,
                                 Channel::Descriptors::kTaken, listener));
  keeper_->Run();
  if (lanes_ != nullptr) lanes_->Stop();
  return {};
}

// ---- What the server says.

Status Worker::OnFrame(Frame& frame) {
  switch (frame.say) {
    case Say::kTree:
      trees_.emplace_back(std::move(frame.descriptor), frame.payload == kReadOnlyTree
                                                           ? os::OpenTree::Access::kRead
                                                           : os::OpenTree::Access::kAll);
      return {};
    case Say::kSetup: {
      const auto setup = ReadWorkerSetup(frame.payload);
      if (!setup) return Fail(Code::kDataLoss, "a setup that is none");
      const Status prepared = Prepare(*setup);
      if (!prepared) {
        Write(prepared.error(), control_->Begin(Say::kNotReady, 0));
        control_->End();
      } else {
        control_->Send(Say::kReady, 0);
      }
      return {};
    }
    case Say::kConnection: OnConnection(std::move(frame.descriptor)); return {};
    case Say::kDirectory: return OnDirectory(frame);
    case Say::kFunction: OnFunction(frame); return {};
    case Say::kForget: functions_.Remove(frame.number); return {};
    default: return Fail(Code::kDataLoss, "what is not the server's to say");
  }
}

Status Worker::OnDirectory(Frame& frame) {
  auto directory = ReadDirectory(frame.payload);
  if (!directory) return Fail(Code::kDataLoss, "a directory that is none");
  directory->directory = std::move(frame.descriptor);
  directories_[frame.number].push_back(*std::move(directory));
  return {};
}

void Worker::OnFunction(Frame& frame) {
  // The engine asks for what is the process's own of /proc, which a user cannot of one that is not
  // dumpable (proc(5)).
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  // The first of its kind makes the engine reserve what all instances may have.
  const uint64_t before = DataNow();
  SetDataLimit(RLIM_INFINITY);
  auto served = Load(frame, std::move(frame.descriptor));
  most_data_ += std::max(DataNow(), before) - before;
  SetDataLimit(most_data_);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  directories_.erase(frame.number);
  if (!served) {
    Write(served.error(), control_->Begin(Say::kNotLoaded, frame.number));
    return control_->End();
  }
  if (served->reuse != nullptr && !std::exchange(has_idle_, true)) EndIdle();
  functions_.Put(frame.number, *std::move(served));
  control_->Send(Say::kLoaded, frame.number);
}

Result<Served> Worker::Load(const Frame& frame, os::Fd code) {
  const std::shared_ptr<Ready> ready = ReadFunction(frame.payload);
  if (ready == nullptr || engine_ == nullptr) return Fail(Code::kDataLoss, "no function");
  ready->module = TRY(wasm::Cache::LoadHanded(*engine_, std::move(code)));
  if (const auto given = directories_.find(frame.number); given != directories_.end()) {
    Granted granted{.environment = ready->granted->environment,
                    .preopens = std::move(given->second),
                    .outgoing = ready->granted->outgoing};
    ready->granted = std::make_shared<Granted>(std::move(granted));
  }
  return handlers_->Of(ready);
}

void Worker::OnConnection(os::Fd connection) {
  if (lanes_ == nullptr) return;
  Station& station = *lanes_->stations().front();
  station.loop().Post([this, &station, held = std::make_shared<os::Fd>(std::move(connection))] {
    std::erase_if(runs_, [](const auto& one) { return one->closed() && one->idle(); });
    WorkerSide& side = *this;
    auto runs = std::make_unique<GuestRuns>(side, station);
    const Status opened = runs->Open(std::move(*held));
    if (opened) runs_.push_back(std::move(runs));
  });
}

// The server is gone, or needs this no more.
void Worker::OnClosed(const Error&) {
  if (lanes_ == nullptr) return keeper_->Stop();
  lanes_->stations().front()->loop().Post([this] {
    for (const auto& runs : runs_) runs->EndAll();
    WaitForGuests();
  });
  // Threads of guests may be anywhere.
  grace_ = keeper_->After(kLastGrace, [] { ::_exit(EXIT_FAILURE); });
}

void Worker::WaitForGuests() {
  const bool idle =
      std::all_of(runs_.begin(), runs_.end(), [](const auto& one) { return one->idle(); });
  if (idle) return keeper_->Stop();
  waiting_ = lanes_->stations().front()->loop().After(kLookEvery, [this] { WaitForGuests(); });
}

// Instances that have waited for their next request long enough.
void Worker::EndIdle() {
  handlers_->idle().EndOld(std::chrono::steady_clock::now());
  ending_idle_ = keeper_->After(kEndIdleEvery, [this] { EndIdle(); });
}

// ---- How it comes to be.

Status Worker::Prepare(const WorkerSetup& setup) {
  jail_ = setup.jail;
  connections_ = setup.asks_others ? os::Connections::kAllowed : os::Connections::kNone;
  host_ = program::NewHost();
  handlers_.emplace(
      [this](std::string_view function, std::string_view lines) { Say(function, lines); },
      IdleInstances::Most{.bytes = setup.idle_memory_bytes, .instances = kMostIdleInstances});
  TRY(MakeSeats(setup.groups));
  if (jail_) TRY(EnterJail());
  engine_ = TRY(factory_.create(FunctionEngineOptions(setup.features, setup.guests, host_.table)));
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  TRY(MakeLanes(setup));
  LimitMemory(setup);
  return lanes_->Start();
}

// Where the server has some, this can have some, or does without.
Status Worker::MakeSeats(Groups groups) {
  if (groups == Groups::kOff) return {};
  const auto root = cgroup::Root::Detect();
  auto threads =
      root ? cgroup::PrepareThreads(*root) : Result<cgroup::Root>(tl::unexpected(root.error()));
  auto made = threads ? cgroup::Seats::Make(*threads, kWorkerSeats)
                      : Result<cgroup::Seats>(tl::unexpected(std::move(threads).error()));
  if (made) {
    seats_ = *std::move(made);
  } else if (groups == Groups::kRequired) {
    return TRY_AS(std::move(made), "CPU limits by control groups are required"), Status();
  }
  return {};
}

// That of the process, in which its threads make narrower ones. What it makes files in are its own
// control groups, and in /proc it reads of itself.
Status Worker::EnterJail() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return FailErrno(errno, "no_new_privs");
  static_cast<void>(os::LimitBounding(0));
  TRY_AS(os::SetCapabilities({}), "its capabilities");
  const os::Fd own = TRY(os::OpenAt(os::Fd(), "/proc/self", O_PATH | O_DIRECTORY));
  os::Fd groups;
  std::vector<os::OpenTree> trees = {{.tree = &own, .access = os::OpenTree::Access::kRead}};
  if (seats_) {
    groups = TRY(os::OpenAt(os::Fd(), seats_->path().c_str(), O_PATH | O_DIRECTORY));
    trees.push_back({.tree = &groups});
  }
  for (const auto& [tree, access] : trees_) trees.push_back({.tree = &tree, .access = access});
  TRY(os::RestrictToTrees(trees, connections_));
  const auto kind = connections_ == os::Connections::kAllowed ? seccomp::GuestKind::kClientWorker
                                                              : seccomp::GuestKind::kWorker;
  TRY_AS(seccomp::Install(seccomp::GuestProgram(kind)), "its system calls");
  return {};
}

// A backstop: each guest's memory is limited by itself. Address space is reserved for all that may
// run, and so is not what is limited; what can be written of it is (RLIMIT_DATA, getrlimit(2)).
void Worker::LimitMemory(const WorkerSetup& setup) {
  const uint64_t stacks = uint64_t{setup.guests} * stack_bytes_;
  most_data_ = DataNow() + setup.memory_bytes + setup.idle_memory_bytes + stacks + kOwnData;
  SetDataLimit(most_data_);
}

Status Worker::MakeLanes(const WorkerSetup& setup) {
  stack_bytes_ =
      FunctionEngineOptions(setup.features, setup.guests, nullptr).stack_bytes + kOwnStack;
  LanesOptions options{.stations = 1,
                       .most = setup.guests,
                       .spare = 1,
                       .stack_bytes = stack_bytes_,
                       .seats = seats_ ? &*seats_ : nullptr,
                       .keeper = *keeper_,
                       .warn = [this](std::string_view line) { Say({}, line); }};
  if (jail_) options.enter = [this] { return EnterLaneJail(connections_); };
  lanes_ = TRY(Lanes::Create(std::move(options)));
  return {};
}

void Worker::BeginApart(Station& station, Job& job, std::shared_ptr<const Ready> function) {
  lanes_->BeginApart(station, job, [this, function]() -> Status {
    if (!jail_) return {};
    return EnterLaneJail(connections_, TreesOf(*function->granted));
  });
}

}  // namespace

wasm::EngineOptions FunctionEngineOptions(const wasm::Features& features, uint32_t guests,
                                          std::shared_ptr<const hostcall::Table> host) {
  wasm::EngineOptions options;
  options.sharing = wasm::Sharing::kManyGuests;
  options.features = features;
  options.serves = true;
  // How long a guest can keep others waiting before it is looked at.
  options.tick = std::chrono::milliseconds(1);
  options.tick_at_once = true;
  // Each may have a thread of its own, and each loop has one that runs.
  constexpr uint32_t kMostLoops = 256;
  options.pool.instances = guests + kMostLoops + kMostIdleInstances;
  options.host = std::move(host);
  return options;
}

int RunWorker(const wasm::EngineFactory& factory) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  for (const int ignored : {SIGPIPE, SIGXFSZ}) ::signal(ignored, SIG_IGN);
  static_cast<void>(os::SetLimit(0, RLIMIT_CORE, {.soft = 0, .hard = 0}));
  ::fcntl(kWorkerControl, F_SETFD, FD_CLOEXEC);
  Worker worker(factory);
  const Status ended = worker.Run(os::Fd(kWorkerControl));
  return ended ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace wasmoor::function
