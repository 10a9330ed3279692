#include "wasmoor/host/host.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "host/guest_thread.h"
#include "host/loading.h"
#include "host/server_run.h"
#include "jail/spawn_thread.h"
#include "wasmoor/cgroup/threads.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/capability.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/scheduling.h"
#include "wasmoor/program/compiler.h"

namespace wasmoor::host {
namespace {

using std::chrono::microseconds;

// How soon it is looked whether a thread is gone, and how much later again.
constexpr microseconds kFirstLook{200}, kLastLook{20'000};
// How often one that must end and has not is interrupted.
constexpr std::chrono::milliseconds kNudge{20};
// What the work on a guest has used is given back to the kernel when there was none for so long.
constexpr std::chrono::seconds kQuiet{1};
// Arenas of malloc(3): guests sleep, most of them.
constexpr int kArenas = 4;
constexpr int kKeptFree = 64 << 20;
// What a guest may use of its stack: the engine's own bound.
constexpr uint64_t kStackBytes = 1 << 20;

struct Guest {
  // None while its module is being loaded.
  std::shared_ptr<GuestThread> thread;
  Create create;  // To begin anew with its module.
  std::optional<Exec> exec;
  pid_t beside = 0;
  std::shared_ptr<CpuShare> share;
  std::optional<uint64_t> memory_bytes;  // Its container's, since that was changed.
  bool ended = false, removing = false;
  // Its thread ends, or is gone.
  bool leaving = false, gone = false;
};

class Host {
 public:
  Host(const HostOptions& options, os::Fd connection)
      : options_(options), connection_(std::move(connection)) {}

  Status Run();

 private:
  Status MakeCommon();
  void OnMessage();
  void OnOrder(const Order& order, std::vector<os::Fd> given);
  void Make(const Order& order, std::vector<os::Fd> given);
  void Begin(uint64_t number, Guest& guest, std::vector<os::Fd> given, Loading::Loaded module);
  void Change(uint64_t number, Guest& guest, const Update& update);
  void OnWanted();
  void OnModule(uint64_t number, Result<Loading::Loaded> loaded, std::vector<os::Fd> given);
  void OnNotes();
  void OnNote(const Note& note);
  void TellStats(uint64_t number, const Guest& guest, uint64_t question);
  void Stop(uint64_t number, Guest& guest, int signal);
  void Nudge();
  void Remove(uint64_t number, Guest& guest);
  // Its thread has nothing to wait for any more.
  void WatchEnd(uint64_t number, Guest& guest);
  void Finish(uint64_t number);
  void Leave(std::shared_ptr<GuestThread> thread, std::function<void()> gone);
  void LookWhoIsGone();
  std::shared_ptr<wasm::MemoryPool> PoolOf(const std::string& pod);
  void ForgetPods() {
    std::erase_if(pods_, [](const auto& pod) { return pod.second.expired(); });
  }
  void Refuse(uint64_t number, const Error& error);
  void Send(const Note& note);

  const HostOptions& options_;
  const os::Fd connection_;
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<Common> common_;
  std::unique_ptr<Loading> loading_;
  std::map<uint64_t, Guest> guests_;
  std::map<std::string, std::weak_ptr<wasm::MemoryPool>> pods_;  // And some that have gone.
  static constexpr size_t kFewPods = 64;
  size_t most_pods_ = kFewPods;  // Before it is looked which have gone.
  // Descriptors of guests that have not taken them into their own tables yet.
  std::map<uint64_t, std::vector<os::Fd>> given_;
  struct Leaving {
    std::shared_ptr<GuestThread> thread;
    std::function<void()> gone;
  };
  std::vector<Leaving> leaving_;
  std::map<pid_t, uint64_t> latest_;  // Whose thread has a number, as far as it is known.
  microseconds pause_ = kFirstLook;
  loop::Source messages_, wanted_, notes_;
  std::set<uint64_t> stopping_;
  loop::Timer look_, quiet_, nudge_;
};

wasm::EngineOptions EngineForGuests() {
  wasm::EngineOptions engine{.sharing = wasm::Sharing::kManyGuests,
                             .stack_bytes = kStackBytes,
                             .tick_at_once = true,
                             .parallel_compile = false};
  // Guests of containers live long: each has its memory mapped for it, and what it leaves is
  // others' to have.
  engine.pool.instances = 0;
  return engine;
}

Status Host::MakeCommon() {
  os::Fd stage = TRY(jail::MakeStage());
  TRY(jail::LeaveHostNamespaces());
  // What it executes from now on, compilers, needs no right. Its own stay: for the jails.
  TRY(os::LimitBounding(0));
  container::SharedEngine engine{.host = program::NewHost(), .engine = nullptr};
  wasm::EngineOptions wanted = EngineForGuests();
  wanted.host = engine.host.table;
  engine.engine = TRY(options_.engine.create(wanted));
  std::optional<cgroup::Root> groups, thread_groups;
  if (auto all = cgroup::Root::Detect()) {
    if (auto place = cgroup::PrepareThreads(*all)) {
      thread_groups = *std::move(place);
    } else {
      Note note;
      note.mutable_log()->set_line(TextOf(fmt::format(
          "CPU time is shared by the guests' own clocks: {}", place.error().message())));
      Send(note);
    }
    groups = *std::move(all);
  }
  std::optional<wasm::Cache> cache;
  for (const auto& directory : options_.caches) {
    auto opened = program::OpenCache(directory);
    if (opened) cache = std::move(*opened);
    if (cache) break;
  }
  if (!cache)
    return Fail(Code::kFailedPrecondition,
                "there is no place for compiled code: name a folder in WASMOOR_CACHE_DIR");
  auto skeletons = TRY(Skeletons::Make(options_.skeletons));
  auto notes = TRY(Mailbox::Create());
  auto asked = TRY(os::MakeMessageSockets());
  common_.reset(new Common{.engine = std::move(engine),
                           .cache = *std::move(cache),
                           .stage = std::move(stage),
                           .groups = groups,
                           .thread_groups = std::move(thread_groups),
                           .skeletons = std::move(skeletons),
                           .filters = options_.filters,
                           .notes = std::move(notes),
                           .modules = {},
                           .wanted = std::move(asked)});
  return {};
}

Status Host::Run() {
  ::mallopt(M_ARENA_MAX, kArenas);
  // What is freed is given back when it is quiet, and not in the middle of work.
  ::mallopt(M_TRIM_THRESHOLD, kKeptFree);
  TRY(MakeCommon());
  // Who waits for a start waits for this thread, and guests may spin on all CPUs.
  static_cast<void>(os::TakeTurnsOf(os::kShortTurns, os::Children::kUsual));
  loop_ = TRY(loop::Loop::Create());
  container::WasmOptions wasm;
  wasm.engine = options_.engine;
  wasm.shared = &common_->engine;
  wasm.caches = options_.caches;
  wasm.compiler = options_.compiler;
  wasm.warn = [this](std::string_view line) {
    Note note;
    note.mutable_log()->set_line(TextOf(line));
    Send(note);
  };
  loading_ = std::make_unique<Loading>(*loop_, *common_, std::move(wasm));
  messages_ = TRY(loop_->Watch(connection_));
  messages_.OnReadable([this] { OnMessage(); });
  wanted_ = TRY(loop_->Watch(common_->wanted.ours));
  wanted_.OnReadable([this] { OnWanted(); });
  notes_ = TRY(loop_->Watch(common_->notes.bell()));
  notes_.OnReadable([this] { OnNotes(); });
  loop_->Run();
  return {};
}

void Host::Send(const Note& note) {
  // Nobody there: the next message says so, too.
  static_cast<void>(os::SendMessage(connection_, note.SerializeAsString(), {}));
}

void Host::Refuse(uint64_t number, const Error& error) {
  Note note = NoteOf(number);
  SetFailure(error, note.mutable_not_made());
  Send(note);
}

void Host::OnMessage() {
  auto message = os::ReceiveMessage(connection_, kMostInMessage);
  if (!message && message.error().code() == Code::kOutOfRange) return;
  // The service is gone, and with it whoever could be told of anything.
  if (!message) ::_exit(EXIT_SUCCESS);
  Order order;
  if (!*message || !order.ParseFromString((*message)->bytes)) return;
  OnOrder(order, std::move((*message)->descriptors));
}

void Host::OnOrder(const Order& order, std::vector<os::Fd> given) {
  if (order.has_create() || order.has_exec()) return Make(order, std::move(given));
  const auto found = guests_.find(order.guest());
  if (found == guests_.end()) return;
  Guest& guest = found->second;
  if (order.has_remove()) return Remove(order.guest(), guest);
  // Nobody may order anything of one that has not told that it is made.
  if (!guest.thread) return;
  switch (order.what_case()) {
    case Order::kStart: return guest.thread->Start();
    case Order::kSignal: return Stop(order.guest(), guest, order.signal().number());
    case Order::kPause: return guest.thread->Pause();
    case Order::kResume: return guest.thread->Resume();
    case Order::kUpdate: return Change(order.guest(), guest, order.update());
    case Order::kReadStats: return TellStats(order.guest(), guest, order.read_stats().question());
    case Order::kLetGo:
      guest.thread->LetGo();
      return guest.ended ? WatchEnd(order.guest(), guest) : void();
    default: return;
  }
}

void Host::Stop(uint64_t number, Guest& guest, int signal) {
  guest.thread->Stop(signal);
  if (guest.ended) return;
  if (stopping_.empty()) nudge_ = loop_->After(kNudge, [this] { Nudge(); });
  stopping_.insert(number);
}

void Host::Nudge() {
  for (auto one = stopping_.begin(); one != stopping_.end();) {
    const auto found = guests_.find(*one);
    const bool waits = found != guests_.end() && found->second.thread && !found->second.ended;
    if (waits) found->second.thread->Nudge();
    one = waits ? std::next(one) : stopping_.erase(one);
  }
  if (!stopping_.empty()) nudge_ = loop_->After(kNudge, [this] { Nudge(); });
}

// May be ordered more than once: by who removes the container, and by its pod's end meanwhile.
void Host::Remove(uint64_t number, Guest& guest) {
  guest.removing = true;
  if (guest.gone) return Finish(number);
  if (!guest.thread) return;
  guest.thread->LetGo();
  if (!guest.ended) return Stop(number, guest, SIGKILL);
  WatchEnd(number, guest);
}

// At once, and not when it is removed, which may be days later: then another thread may have the
// number that the kernel is asked about, and would be waited for instead.
void Host::WatchEnd(uint64_t number, Guest& guest) {
  if (std::exchange(guest.leaving, true)) return;
  Leave(guest.thread, [this, number] {
    const auto found = guests_.find(number);
    if (found == guests_.end()) return;
    found->second.gone = true;
    if (found->second.removing) Finish(number);
  });
}

void Host::Finish(uint64_t number) {
  const auto found = guests_.find(number);
  if (found != guests_.end() && found->second.thread) {
    const auto latest = latest_.find(found->second.thread->thread());
    if (latest != latest_.end() && latest->second == number) latest_.erase(latest);
  }
  guests_.erase(number);
  Note note = NoteOf(number);
  note.mutable_gone();
  Send(note);
}

void Host::Make(const Order& order, std::vector<os::Fd> given) {
  Guest guest;
  if (order.has_create()) guest.create = order.create();
  if (order.has_exec()) {
    guest.exec = order.exec();
    const auto beside = guests_.find(order.exec().container());
    if (beside == guests_.end() || beside->second.ended || !beside->second.thread)
      return Refuse(order.guest(), Error(Code::kFailedPrecondition, "the container does not run"));
    guest.beside = beside->second.thread->thread();
    guest.share = beside->second.thread->share();
    guest.memory_bytes = beside->second.memory_bytes;
    guest.create.set_pod(beside->second.create.pod());
    guest.create.set_id(beside->second.create.id());
    guest.create.set_bundle(beside->second.create.bundle());
    *guest.create.mutable_bounds() = beside->second.create.bounds();
  }
  Guest& kept = guests_[order.guest()] = std::move(guest);
  Begin(order.guest(), kept, std::move(given), nullptr);
}

void Host::Begin(uint64_t number, Guest& guest, std::vector<os::Fd> given, Loading::Loaded module) {
  GuestOrder order{.guest = number,
                   .container = guest.create.id(),
                   .bundle = guest.create.bundle(),
                   .create = guest.create,
                   .exec = guest.exec,
                   .beside = guest.beside,
                   .share = guest.share,
                   .given = {},
                   .module = std::move(module)};
  // Those here are closed once the thread has them in a table of its own.
  for (const os::Fd& one : given) order.given.push_back(one.get());
  given_[number] = std::move(given);
  auto thread =
      GuestThread::Begin(*common_, std::move(order), PoolOf(guest.create.pod()), kStackBytes);
  if (!thread) {
    given_.erase(number);
    guests_.erase(number);
    return Refuse(number, thread.error());
  }
  guest.thread = std::move(*thread);
  if (guest.memory_bytes) guest.thread->LimitMemory(*guest.memory_bytes);
}

// They share the CPUs, and each has as much memory as the container may.
void Host::Change(uint64_t number, Guest& guest, const Update& update) {
  guest.thread->Change(update);
  if (!update.has_memory_bytes()) return;
  guest.memory_bytes = update.memory_bytes();
  for (auto& [other_number, other] : guests_) {
    if (!other.exec || other.exec->container() != number) continue;
    other.memory_bytes = guest.memory_bytes;
    if (other.thread) other.thread->LimitMemory(*guest.memory_bytes);
  }
}

std::shared_ptr<wasm::MemoryPool> Host::PoolOf(const std::string& pod) {
  if (pod.empty()) return nullptr;
  // A node that always starts something has no quiet moment for it.
  if (pods_.size() >= most_pods_) {
    ForgetPods();
    most_pods_ = 2 * pods_.size() + kFewPods;
  }
  std::weak_ptr<wasm::MemoryPool>& known = pods_[pod];
  auto pool = known.lock();
  if (!pool) known = pool = std::make_shared<wasm::MemoryPool>();
  return pool;
}

void Host::OnWanted() {
  constexpr size_t kMost = 64 << 10;
  auto message = os::ReceiveMessage(common_->wanted.ours, kMost);
  wasm::ModuleHash hash;
  uint64_t number = 0;
  constexpr size_t kHead = sizeof(number) + sizeof(hash);
  if (!message || !*message || (*message)->bytes.size() < kHead || (*message)->descriptors.empty())
    return;
  const std::string& bytes = (*message)->bytes;
  std::memcpy(&number, bytes.data(), sizeof(number));
  std::memcpy(hash.data(), bytes.data() + sizeof(number), sizeof(hash));
  program::Source source{.name = bytes.substr(kHead),
                         .file = std::move((*message)->descriptors.front())};
  const auto found = guests_.find(number);
  if (found == guests_.end()) return;
  // It has ended itself; another thread is the guest, once the module is there.
  Leave(std::move(found->second.thread), [] {});
  std::vector<os::Fd> given = std::move(given_.extract(number).mapped());
  auto kept = std::make_shared<std::vector<os::Fd>>(std::move(given));
  loading_->Load(hash, std::move(source), [this, number, kept](Result<Loading::Loaded> loaded) {
    OnModule(number, std::move(loaded), std::move(*kept));
  });
}

void Host::OnModule(uint64_t number, Result<Loading::Loaded> loaded, std::vector<os::Fd> given) {
  const auto found = guests_.find(number);
  if (found == guests_.end()) return;
  if (found->second.removing) return Finish(number);
  Note note = NoteOf(number);
  // The thread beside which it was to run may be another container's by now.
  const Guest& guest = found->second;
  const auto beside = guest.exec ? guests_.find(guest.exec->container()) : guests_.end();
  if (guest.exec && (beside == guests_.end() || beside->second.ended))
    loaded = Fail(Code::kFailedPrecondition, "the container has ended");
  if (!loaded && loaded.error().code() == Code::kUnimplemented)
    note.set_needs_process(TextOf(loaded.error().message()));
  else if (!loaded)
    SetFailure(loaded.error(), note.mutable_not_made());
  else
    return Begin(number, found->second, std::move(given), *std::move(loaded));
  guests_.erase(found);
  Send(note);
}

void Host::OnNotes() {
  for (const Note& note : common_->notes.Take()) OnNote(note);
  quiet_ = loop_->After(kQuiet, [this] {
    ForgetPods();
    ::malloc_trim(0);
  });
}

void Host::OnNote(const Note& note) {
  const uint64_t number = note.guest();
  given_.erase(number);
  const auto found = guests_.find(number);
  if (found == guests_.end()) return;
  Guest& guest = found->second;
  if (note.has_not_made() || note.what_case() == Note::kNeedsProcess) {
    Leave(std::move(guest.thread), [this, note] { Send(note); });
    guests_.erase(found);
    return;
  }
  if (note.has_made()) latest_[note.made().thread()] = number;
  if (note.has_ended()) guest.ended = true;
  Send(note);
  if (!guest.ended) return;
  if (guest.removing) return Remove(number, guest);
  if (!note.ended().unread()) WatchEnd(number, guest);
}

void Host::TellStats(uint64_t number, const Guest& guest, uint64_t question) {
  Note note = NoteOf(number);
  Stats& stats = *note.mutable_stats();
  stats.set_question(question);
  stats.set_cpu_ns(static_cast<uint64_t>(guest.thread->cpu_time().count()));
  const wasm::Usage usage = guest.thread->usage();
  stats.set_memory_bytes(usage.memory_bytes);
  stats.set_memory_limit(guest.thread->memory_limit());
  stats.set_memory_refusals(usage.memory_refusals);
  if (const auto share = guest.thread->share()) {
    const CpuShare::Throttling throttling = share->throttling();
    stats.set_throttled_periods(throttling.times);
    stats.set_throttled_ns(static_cast<uint64_t>(throttling.slept.count()));
    stats.set_cpu_in_group(share->is_in_containers_group());
  }
  Send(note);
}

void Host::Leave(std::shared_ptr<GuestThread> thread, std::function<void()> gone) {
  leaving_.push_back({std::move(thread), std::move(gone)});
  pause_ = kFirstLook;
  look_ = loop_->After(pause_, [this] { LookWhoIsGone(); });
}

// Nothing tells that a thread's last part, which holds its mounts, has ended.
void Host::LookWhoIsGone() {
  std::vector<std::function<void()>> gone;
  for (size_t i = 0; i < leaving_.size();) {
    const GuestThread& thread = *leaving_[i].thread;
    const auto latest = latest_.find(thread.thread());
    const bool is_reused = latest != latest_.end() && latest->second != thread.guest();
    if (!leaving_[i].thread->IsGone(is_reused)) {
      ++i;
      continue;
    }
    gone.push_back(std::move(leaving_[i].gone));
    if (&leaving_[i] != &leaving_.back()) leaving_[i] = std::move(leaving_.back());
    leaving_.pop_back();
  }
  for (const auto& one : gone) one();
  if (leaving_.empty()) return;
  pause_ = gone.empty() ? std::min(pause_ * 2, kLastLook) : kFirstLook;
  look_ = loop_->After(pause_, [this] { LookWhoIsGone(); });
}

}  // namespace

int RunHost(const HostOptions& options, os::Fd connection) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The service may be what the kernel ends last when memory is short; guests are not.
  if (const auto score = os::OpenAt(os::Fd(), "/proc/self/oom_score_adj", O_WRONLY))
    static_cast<void>(os::WriteAll(*score, "0"));
  for (const int ignored : {SIGPIPE, SIGXFSZ}) ::signal(ignored, SIG_IGN);
  ServerRun::CatchBells();
  const int number = connection.get();
  Host host(options, std::move(connection));
  const Status ended = host.Run();
  Note note;
  note.mutable_log()->set_line(ended ? "the host of guests has nothing to do"
                                     : TextOf(ended.error().message()));
  const os::Fd again(::dup(number));
  static_cast<void>(os::SendMessage(again, note.SerializeAsString(), {}));
  // Threads of guests may be anywhere.
  ::_exit(EXIT_FAILURE);
}

}  // namespace wasmoor::host
