#include "function/worker/pool.h"

#include <algorithm>
#include <utility>

#include "function/worker/started.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/cgroup/seats.h"
#include "wasmoor/cgroup/threads.h"
#include "wasmoor/function/worker/worker.h"

namespace wasmoor::function {
namespace {

// After a worker has died: the first time none, then these.
constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{10'000};
// One that has lived so long has not died at once.
constexpr std::chrono::seconds kLong{30};
constexpr std::chrono::milliseconds kLookEvery{500};

// A tenant's name has no slash; nor has that of a function without one.
std::string KeyOf(const Ready& function) {
  return function.tenant.empty() ? function.function : function.tenant + "/";
}

}  // namespace

WorkerPool::WorkerPool(std::vector<std::string> words, wasm::Features features,
                       const WorkersParts& parts)
    : words_(std::move(words)), features_(features), parts_(parts) {
  Outlet::Source& source = *this;
  for (const auto& station : parts_.stations)
    outlets_.push_back(std::make_unique<Outlet>(outlets_.size(), *station, source));
  idle_ = parts_.keeper.After(kLookEvery, [this] { LookForIdle(); });
}

WorkerPool::~WorkerPool() {
  *alive_ = false;
  ending_ = true;
  outlets_.clear();
  for (auto& [key, slot] : slots_) {
    if (slot.worker != nullptr) slot.worker->End();
  }
  for (Going& one : going_) one.worker->End();
  slots_.clear();
  going_.clear();
  SweepGroups();
}

Outlet& WorkerPool::OutletOf(const Station& station) {
  return **std::find_if(outlets_.begin(), outlets_.end(),
                        [&](const auto& one) { return &one->station() == &station; });
}

std::shared_ptr<Run> WorkerPool::NewRun(std::shared_ptr<const Ready> function, CommandPlan plan,
                                        Station& station, Run::Listener& listener) {
  return std::make_shared<RemoteRun>(std::move(function), std::move(plan), OutletOf(station),
                                     station, listener);
}

std::shared_ptr<Run> WorkerPool::NewRun(std::shared_ptr<const Ready> function,
                                        ComponentRun::Plan plan, Station& station,
                                        Run::Listener& listener) {
  return std::make_shared<RemoteRun>(std::move(function), std::move(plan), OutletOf(station),
                                     station, listener);
}

Workers::Counts WorkerPool::counts() const {
  Counts counts{.workers = static_cast<uint32_t>(going_.size()),
                .started = started_,
                .died = died_,
                .cpu_time = ended_cpu_time_};
  for (const auto& [key, slot] : slots_) {
    if (slot.worker == nullptr) continue;
    ++counts.workers;
    counts.cpu_time += slot.worker->cpu_time();
  }
  for (const Going& one : going_) counts.cpu_time += one.worker->cpu_time();
  return counts;
}

// ---- What outlets ask, from their own threads.

void WorkerPool::Want(size_t outlet, std::shared_ptr<const Ready> function) {
  parts_.keeper.Post([this, alive = alive_, wanted = Wanted{outlet, std::move(function)}] {
    if (!*alive) return;
    const std::string key = KeyOf(*wanted.function);
    slots_[key].wanted.push_back(wanted);
    Step(key);
  });
}

void WorkerPool::OnClosed(WorkerNumber number) {
  parts_.keeper.Post([this, alive = alive_, number] {
    if (!*alive) return;
    for (Going& one : going_) {
      if (one.worker->number() == number && --one.open == 0) one.worker->End();
    }
  });
}

void WorkerPool::OnLost(WorkerNumber number, const std::string& why, size_t runs) {
  parts_.keeper.Post([this, alive = alive_, number, why, runs] {
    if (!*alive) return;
    const auto lose = [&](WorkerProcess& worker) {
      if (worker.number() != number) return;
      lost_runs_[number] += runs;
      worker.Kill(why);
    };
    for (auto& [key, slot] : slots_) {
      if (slot.worker != nullptr) lose(*slot.worker);
    }
    for (Going& one : going_) lose(*one.worker);
  });
}

// ---- From what is wanted to a worker.

// Goes on with a slot as far as that is possible now.
void WorkerPool::Step(const std::string& key) {
  const auto found = slots_.find(key);
  if (found == slots_.end() || ending_) return;
  Slot& slot = found->second;
  if (slot.wanted.empty()) return;
  using State = WorkerProcess::State;
  if (slot.worker != nullptr && slot.worker->state() == State::kStarting) return;
  // One that dies is told of when it is dead.
  if (slot.worker != nullptr && slot.worker->state() != State::kReady) return;
  if (slot.worker != nullptr) {
    const bool covers = std::all_of(slot.wanted.begin(), slot.wanted.end(), [&](const Wanted& one) {
      return slot.worker->rights().Cover(*one.function->granted);
    });
    if (covers) return Serve(slot);
    Retire(slot);
  }
  Start(key, slot);
}

void WorkerPool::Start(const std::string& key, Slot& slot) {
  const auto now = Clock::now();
  if (now < slot.not_before) {
    if (!slot.starting.pending())
      slot.starting = parts_.keeper.After(slot.not_before - now, [this, key] { Step(key); });
    return;
  }
  if (!MakeRoom()) {
    if (std::find(in_line_.begin(), in_line_.end(), key) == in_line_.end()) in_line_.push_back(key);
    return;
  }
  WorkerRights rights;
  Status added;
  for (const Wanted& one : slot.wanted) {
    if (added && !rights.Cover(*one.function->granted)) added = rights.Add(*one.function->granted);
  }
  if (!added) return Refuse(slot, added.error());
  const WorkerSetup setup{.key = key,
                          .features = features_,
                          .guests = parts_.settings.guests,
                          .memory_bytes = parts_.memory_bytes,
                          .idle_memory_bytes = parts_.idle_memory_bytes,
                          .groups = parts_.settings.groups,
                          .jail = parts_.settings.jail,
                          .asks_others = rights.asks_others()};
  auto worker = WorkerProcess::Start({.words = words_,
                                      .keeper = parts_.keeper,
                                      .engine = parts_.engine,
                                      .cache = parts_.cache,
                                      .owner = *this},
                                     ++last_, std::move(rights), setup);
  if (!worker) return Refuse(slot, worker.error());
  slot.worker = *std::move(worker);
  ++started_;
}

void WorkerPool::Serve(Slot& slot) {
  std::list<Wanted> wanted = std::exchange(slot.wanted, {});
  for (auto one = wanted.begin(); one != wanted.end();) {
    const auto next = std::next(one);
    if (!Give(*slot.worker, *one)) slot.wanted.splice(slot.wanted.end(), wanted, one);
    one = next;
  }
}

// False: it is to be told later, when the function is loaded.
bool WorkerPool::Give(WorkerProcess& worker, const Wanted& wanted) {
  auto number = worker.NumberOf(wanted.function);
  if (!number) return Answer(wanted, number.error()), true;
  if (!*number) return false;
  auto connection = worker.Connect(wanted.outlet);
  if (!connection) return Answer(wanted, connection.error()), true;
  Given given{.worker = worker.number(),
              .pid = worker.pid(),
              .function = **number,
              .use = worker.use(),
              .connection = *std::move(connection)};
  Outlet& outlet = *outlets_[wanted.outlet];
  outlet.station().loop().Post([&outlet, function = wanted.function, given = std::move(given)] {
    outlet.OnGiven(function, given);
  });
  return true;
}

void WorkerPool::Answer(const Wanted& wanted, const Error& why) {
  Outlet& outlet = *outlets_[wanted.outlet];
  outlet.station().loop().Post(
      [&outlet, function = wanted.function, why] { outlet.OnRefused(function, why); });
}

void WorkerPool::Refuse(Slot& slot, const Error& why) {
  for (const Wanted& one : std::exchange(slot.wanted, {})) Answer(one, why);
}

void WorkerPool::OnFunction(WorkerProcess& worker, const std::shared_ptr<const Ready>& function,
                            const Status& loaded) {
  const auto found = slots_.find(worker.key());
  if (found == slots_.end() || found->second.worker.get() != &worker) return;
  if (!loaded) {
    auto& wanted = found->second.wanted;
    for (auto one = wanted.begin(); one != wanted.end();) {
      if (one->function != function) {
        ++one;
        continue;
      }
      Answer(*one, loaded.error());
      one = wanted.erase(one);
    }
  }
  Step(worker.key());
}

// ---- From a worker to none.

// False: one goes, and then there is.
bool WorkerPool::MakeRoom() {
  size_t there = going_.size();
  Slot* idle = nullptr;
  Slot* oldest = nullptr;
  for (auto& [key, slot] : slots_) {
    if (slot.worker == nullptr) continue;
    ++there;
    if (slot.worker->state() != WorkerProcess::State::kReady || !slot.wanted.empty()) continue;
    const WorkerUse& use = *slot.worker->use();
    if (use.runs == 0 && (idle == nullptr || use.last < idle->worker->use()->last)) idle = &slot;
    if (oldest == nullptr || slot.worker->started() < oldest->worker->started()) oldest = &slot;
  }
  if (there < parts_.settings.workers) return true;
  // Whoever has waited longest for a place gets that of one that is at work, when its runs end.
  Slot* const gone = idle != nullptr ? idle : oldest;
  if (going_.size() <= in_line_.size() && gone != nullptr) Retire(*gone);
  return false;
}

void WorkerPool::Retire(Slot& slot) {
  slot.worker->Retire();
  const WorkerNumber number = slot.worker->number();
  going_.push_back({.worker = std::move(slot.worker), .open = outlets_.size()});
  for (const auto& outlet : outlets_) {
    Outlet& one = *outlet;
    one.station().loop().Post([&one, number] { one.Retire(number); });
  }
}

void WorkerPool::LookForIdle() {
  const auto now = Clock::now().time_since_epoch();
  for (auto& [key, slot] : slots_) {
    if (slot.worker == nullptr || slot.worker->state() != WorkerProcess::State::kReady) continue;
    const WorkerUse& use = *slot.worker->use();
    const bool is_idle = use.runs.load(std::memory_order_acquire) == 0 && slot.wanted.empty();
    if (is_idle && now - Clock::duration(use.last) >= parts_.settings.worker_idle) Retire(slot);
  }
  std::erase_if(slots_, [&](const auto& one) {
    const Slot& slot = one.second;
    return slot.worker == nullptr && slot.wanted.empty() &&
           now >= slot.not_before.time_since_epoch();
  });
  idle_ = parts_.keeper.After(kLookEvery, [this] { LookForIdle(); });
}

void WorkerPool::Forget(const std::string& function) {
  for (auto& [key, slot] : slots_) {
    if (slot.worker == nullptr) continue;
    for (const auto& gone : slot.worker->Forget(function)) {
      for (const auto& outlet : outlets_) {
        Outlet& one = *outlet;
        one.station().loop().Post([&one, gone] { one.Forget(gone); });
      }
    }
  }
  // It may have been about to be loaded, and somebody waits for it.
  std::vector<std::string> waiting;
  for (const auto& [key, slot] : slots_) {
    if (!slot.wanted.empty()) waiting.push_back(key);
  }
  for (const std::string& key : waiting) Step(key);
}

void WorkerPool::OnLine(WorkerProcess& worker, std::string_view function, std::string_view line) {
  if (!function.empty()) return parts_.guest_says(function, line);
  parts_.notice(fmt::format("worker {} of {}: {}", worker.pid(), worker.Name(), line));
}

// It is the one that calls.
void WorkerPool::OnEnded(WorkerProcess& worker, const std::string& how) {
  ended_cpu_time_ += worker.cpu_time();
  const std::string key = worker.key();
  std::unique_ptr<WorkerProcess> ended;
  const auto slot = slots_.find(key);
  if (slot != slots_.end() && slot->second.worker.get() == &worker)
    ended = std::move(slot->second.worker);
  for (Going& one : going_) {
    if (one.worker.get() == &worker) ended = std::move(one.worker);
  }
  std::erase_if(going_, [](const Going& one) { return one.worker == nullptr; });
  if (!how.empty()) Died(key, worker, how);
  // It would be so again, and who waits should know.
  if (!worker.was_ready() && slot != slots_.end()) {
    Refuse(slot->second, Error(Code::kInternal, fmt::format("the worker that is to run it {}",
                                                            how.empty() ? "has ended" : how)));
  }
  parts_.keeper.Post([held = std::shared_ptr<WorkerProcess>(std::move(ended))] {});
  SweepGroups();
  Step(key);
  const std::deque<std::string> line = std::exchange(in_line_, {});
  for (const std::string& one : line) Step(one);
}

void WorkerPool::Died(const std::string& key, WorkerProcess& worker, const std::string& how) {
  ++died_;
  Slot& slot = slots_[key];
  if (Clock::now() - worker.started() > kLong) slot.pause = {};
  slot.not_before = Clock::now() + slot.pause;
  // Its last runs may be told of by outlets a moment later.
  const auto lost = lost_runs_.extract(worker.number());
  const size_t runs = lost.empty() ? worker.use()->runs.load() : lost.mapped();
  parts_.notice(fmt::format(
      "worker {} of {} {}; {} request{} ended with it, and the next one starts it again{}",
      worker.pid(), worker.Name(), how, runs, runs == 1 ? "" : "s",
      slot.pause.count() == 0 ? "" : fmt::format(" after {} ms", slot.pause.count())));
  slot.pause = std::clamp(slot.pause * 2, kFirstPause, kLongestPause);
}

// A process that is killed leaves them.
void WorkerPool::SweepGroups() {
  if (parts_.settings.groups == Groups::kOff) return;
  const auto root = cgroup::Root::Detect();
  const auto threads = root ? cgroup::PrepareThreads(*root) : root;
  if (threads) cgroup::Seats::Sweep(*threads, kWorkerSeats);
}

ServerParts::MakeWorkers WorkersOf(std::vector<std::string> words, wasm::Features features) {
  return [words = std::move(words), features](const WorkersParts& parts) {
    return std::unique_ptr<Workers>(std::make_unique<WorkerPool>(words, features, parts));
  };
}

}  // namespace wasmoor::function
