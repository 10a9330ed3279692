#include "wasmoor/function/lanes/lanes.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "wasmoor/base/check.h"
#include "wasmoor/os/signal.h"
#include "wasmoor/os/thread.h"

namespace wasmoor::function {
namespace {

using std::chrono::nanoseconds;

// A thread that leads answers everybody; a guest that has stepped aside is nobody's but its own,
// and has its part of a thousand of a usual share.
constexpr uint64_t kLeaderShares = 32 * 1024, kUsualShares = 1024;
constexpr uint64_t kMillicores = 1000;
// Threads that were needed once and are not any more.
constexpr std::chrono::seconds kPatience{10};
// What a guest without a group may use at once after it has used nothing.
constexpr nanoseconds kBurst = std::chrono::milliseconds(20);
constexpr std::chrono::hours kEver{24 * 365 * 10};

uint64_t SharesOf(uint32_t millicores) {
  return millicores == 0 ? kUsualShares : kUsualShares * millicores / kMillicores;
}

}  // namespace

Station::Station(std::unique_ptr<loop::Loop> loop)
    : loop_(std::move(loop)), staying_(loop_->After(kEver, [] {})) {}

bool Station::Withdraw(const Job& job) {
  const auto found = std::find(jobs_.begin(), jobs_.end(), &job);
  if (found == jobs_.end()) return false;
  jobs_.erase(found);
  return true;
}

// ---- A lane.

// The group is gone, or cannot be written any more: whoever runs here is held to its limit by its
// own clock.
void Lane::Lose(const Error& why) {
  if (!has_group_.exchange(false)) return;
  lanes_.Warn("control groups are lost, and their limits are kept by the guests' own clocks", why);
}

Status Lane::Enter(const std::function<Status()>& jail) {
  if (seat_ != nullptr) {
    const Status seated = seat_->Enter();
    if (!seated) Lose(seated.error());
  }
  return jail ? jail() : Status();
}

// Before anybody hears that its guest has ended: another one may be begun in its place.
void Lane::Leave() {
  const std::lock_guard lock(lanes_.mutex_);
  --lanes_.apart_;
}

// The jail is the job's own, and nobody else's after it.
void Lane::LiveApart() {
  const Status entered = Enter(enter_);
  Station& station = *station_;
  Job& job = *apart_;
  if (entered) {
    RunJob(job);
  } else {
    Leave();
    station.loop_->Post([&job, error = entered.error()] { job.NotRun(error); });
  }
  const std::lock_guard lock(lanes_.mutex_);
  lanes_.Retire(*this);
  lanes_.AskForLanes();
}

void Lane::Live() {
  if (apart_ != nullptr) return LiveApart();
  ::pthread_setname_np(::pthread_self(), fmt::format("lane-{}", number_).c_str());
  Status entered = Enter(lanes_.options_.enter);
  {
    const std::lock_guard lock(lanes_.mutex_);
    ++lanes_.entered_;
    lanes_.first_.notify_all();
    if (!entered) return lanes_.Failed(*this, std::move(entered));
  }
  while (lanes_.WaitForTurn(*this)) Lead();
}

void Lane::Lead() {
  leads_ = true;
  Station& station = *station_;
  while (leads_) {
    if (!station.loop_->ServeOne()) {
      leads_ = false;
      return;
    }
    while (leads_ && !station.jobs_.empty() &&
           station.has_standby_.load(std::memory_order_relaxed)) {
      Job& job = *station.jobs_.front();
      station.jobs_.pop_front();
      RunJob(job);
    }
  }
}

void Lane::RunJob(Job& job) {
  loop::Loop& loop = *station_->loop_;
  job.Run(*this);
  if (leads_) return job.Finish();
  if (apart_ != nullptr) Leave();
  // What is left to do for it is not the guest's any more.
  Limit(cgroup::Seat::kNoLimit);
  loop.Post([&job] { job.Finish(); });
}

void Lane::StepAside(uint32_t millicores) {
  if (std::exchange(leads_, false)) {
    const std::lock_guard lock(lanes_.mutex_);
    Lane* const next = std::exchange(station_->standby_, nullptr);
    CHECK(next != nullptr);
    lanes_.Appoint(*next, *station_);
    lanes_.Stand(*station_);
  }
  if (has_group()) static_cast<void>(seat_->SetShares(SharesOf(millicores)));
  Limit(millicores);
  paced_since_ = std::chrono::steady_clock::now();
  paced_from_ = os::OwnThreadTime();
}

void Lane::Limit(uint32_t millicores) {
  limit_ = millicores;
  if (!has_group()) return;
  const Status set = seat_->Limit(millicores);
  if (!set) Lose(set.error());
}

void Lane::Pace() {
  const uint32_t limit = limit_;
  if (has_group() || limit == 0 || leads_) return;
  const nanoseconds used = os::OwnThreadTime() - paced_from_;
  const nanoseconds passed = std::chrono::steady_clock::now() - paced_since_;
  const nanoseconds due = passed * limit / kMillicores;
  if (due > used + kBurst) {
    // What it did not want then it has not saved.
    paced_from_ = os::OwnThreadTime();
    paced_since_ = std::chrono::steady_clock::now();
    return;
  }
  if (used <= due) return;
  const nanoseconds sleep = (used - due) * kMillicores / limit;
  struct timespec time = {};
  time.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(sleep).count();
  time.tv_nsec = (sleep % std::chrono::seconds(1)).count();
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
}

// ---- All of them.

Result<std::unique_ptr<Lanes>> Lanes::Create(LanesOptions options) {
  std::unique_ptr<Lanes> lanes(new Lanes(std::move(options)));
  for (uint32_t i = 0; i < lanes->options_.stations; ++i) {
    std::unique_ptr<loop::Loop> loop = TRY(loop::Loop::Create());
    lanes->stations_.push_back(std::unique_ptr<Station>(new Station(std::move(loop))));
  }
  return lanes;
}

Lanes::~Lanes() { *alive_ = false; }

void* Lanes::Enter(void* lane) {
  static_cast<Lane*>(lane)->Live();
  return nullptr;
}

std::unique_ptr<Lane> Lanes::NewLane() {
  std::unique_ptr<cgroup::Seat> seat;
  const uint32_t number = made_++;
  if (options_.seats != nullptr) {
    auto made = options_.seats->MakeSeat(fmt::format("lane-{}", number));
    if (made) {
      seat = *std::move(made);
    } else {
      Warn("guests' limits are kept by their own clocks, for want of control groups", made.error());
    }
  }
  return std::unique_ptr<Lane>(new Lane(*this, number, std::move(seat)));
}

Status Lanes::MakeLane() { return Launch(NewLane()); }

void Lanes::BeginApart(Station& station, Job& job, std::function<Status()> enter) {
  options_.keeper.Post([this, alive = alive_, &station, &job, enter = std::move(enter)] {
    if (!*alive) return;
    const Status made = MakeApart(station, job, enter);
    if (!made) station.loop_->Post([&job, error = made.error()] { job.NotRun(error); });
  });
}

Status Lanes::MakeApart(Station& station, Job& job, std::function<Status()> enter) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Fail(Code::kUnavailable, "the server ends");
    if (apart_ >= options_.most)
      return Fail(Code::kResourceExhausted, "there are {} guests with threads of their own already",
                  apart_);
  }
  std::unique_ptr<Lane> lane = NewLane();
  lane->station_ = &station;
  lane->apart_ = &job;
  lane->state_ = Lane::State::kAtWork;
  lane->enter_ = std::move(enter);
  return Launch(std::move(lane));
}

Status Lanes::Launch(std::unique_ptr<Lane> lane) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, options_.stack_bytes);
  // The process's signals are for its first thread; the engine's traps are the guest's own.
  const os::SignalsHeld held(os::SignalsHeld::But::kFaults);
  const std::lock_guard lock(mutex_);
  const int failed = ::pthread_create(&lane->thread_, &attributes, Enter, lane.get());
  ::pthread_attr_destroy(&attributes);
  if (failed != 0)
    return FailErrno(
        failed,
        "a thread for guests (how many there may be is said by ulimit -u, pids.max and "
        "kernel.threads-max)");
  apart_ += lane->apart_ != nullptr ? 1 : 0;
  lanes_.push_back(std::move(lane));
  return {};
}

Status Lanes::Start() {
  const uint32_t first = 2 * options_.stations + options_.spare;
  for (uint32_t i = 0; i < first; ++i) TRY(MakeLane());
  std::unique_lock lock(mutex_);
  first_.wait(lock, [&] { return entered_ == first && (!failed_ || parked_.size() == first); });
  TRY(failed_);
  started_ = true;
  for (const auto& station : stations_) {
    Lane& leader = *parked_.back();
    parked_.pop_back();
    Appoint(leader, *station);
    Stand(*station);
  }
  return {};
}

void Lanes::Stop() {
  std::vector<std::unique_ptr<Lane>> all;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& station : stations_) station->loop_->Stop();
    for (const auto& lane : lanes_) lane->turn_.notify_one();
    all = std::move(lanes_);
    std::move(ended_.begin(), ended_.end(), std::back_inserter(all));
    ended_.clear();
    parked_.clear();
  }
  for (const auto& lane : all) ::pthread_join(lane->thread_, nullptr);
}

void Lanes::Failed(Lane& lane, Status why) {
  if (started_) Warn("a thread for guests could not enter its jail", why.error());
  if (failed_) failed_ = std::move(why);
  Retire(lane);
}

void Lanes::Warn(std::string_view what, const Error& why) {
  if (!options_.warn) return;
  // What has befallen one befalls many, and goes on.
  constexpr std::chrono::minutes kWhile{10};
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(telling_);
    const auto [told, is_new] = told_.try_emplace(std::string(what), now);
    if (!is_new && now - told->second < kWhile) return;
    told->second = now;
  }
  options_.keeper.Post([this, alive = alive_, line = fmt::format("{}: {}", what, why.message())] {
    if (*alive) options_.warn(line);
  });
}

void Lanes::Retire(Lane& lane) {
  const auto own = std::find_if(lanes_.begin(), lanes_.end(),
                                [&](const auto& one) { return one.get() == &lane; });
  if (own == lanes_.end()) return;  // All are being joined.
  ended_.push_back(std::move(*own));
  lanes_.erase(own);
}

bool Lanes::WaitForTurn(Lane& lane) {
  // It is to be quick when its turn comes.
  if (lane.has_group()) static_cast<void>(lane.seat_->SetShares(kLeaderShares));
  std::unique_lock lock(mutex_);
  lane.state_ = Lane::State::kParked;
  parked_.push_back(&lane);
  first_.notify_all();
  for (const auto& station : stations_) {
    if (started_ && station->standby_ == nullptr) Stand(*station);
  }
  while (!stopping_ && lane.state_ != Lane::State::kAtWork) {
    const bool is_parked = lane.state_ == Lane::State::kParked;
    const auto waited = lane.turn_.wait_for(lock, kPatience);
    if (waited == std::cv_status::no_timeout || !is_parked || stopping_) continue;
    if (lane.state_ != Lane::State::kParked || parked_.size() <= options_.spare) continue;
    std::erase(parked_, &lane);
    Retire(lane);
    AskForLanes();
    return false;
  }
  return lane.state_ == Lane::State::kAtWork && !stopping_;
}

void Lanes::Stand(Station& station) {
  if (!parked_.empty()) {
    // The one that was at work last, whose memory is warm.
    Lane* const next = parked_.back();
    parked_.pop_back();
    next->state_ = Lane::State::kStandby;
    station.standby_ = next;
    const bool was_without = !station.has_standby_.exchange(true);
    if (was_without) station.loop_->Post([] {});
  } else {
    station.has_standby_ = false;
  }
  if (parked_.size() < options_.spare) AskForLanes();
}

void Lanes::Appoint(Lane& lane, Station& station) {
  lane.station_ = &station;
  lane.state_ = Lane::State::kAtWork;
  lane.turn_.notify_one();
}

void Lanes::AskForLanes() {
  if (asked_.exchange(true)) return;
  options_.keeper.Post([this, alive = alive_] {
    if (*alive) TopUp();
  });
}

void Lanes::TopUp() {
  asked_ = false;
  std::vector<std::unique_ptr<Lane>> ended;
  uint32_t wanted = 0;
  {
    const std::lock_guard lock(mutex_);
    ended = std::move(ended_);
    ended_.clear();
    const size_t most = 2 * size_t{options_.stations} + options_.most;
    const size_t without = std::count_if(stations_.begin(), stations_.end(),
                                         [](const auto& one) { return one->standby_ == nullptr; });
    const size_t target = options_.spare + without;
    if (!stopping_ && parked_.size() < target)
      wanted = std::min(target - parked_.size(), most - std::min(most, lanes_.size() - apart_));
  }
  for (const auto& lane : ended) ::pthread_join(lane->thread_, nullptr);
  for (; wanted > 0; --wanted) {
    const Status made = MakeLane();
    if (made) continue;
    Warn("there is no more thread for guests", made.error());
    return;
  }
}

Lanes::Counts Lanes::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts;
  counts.threads = lanes_.size();
  // Those that have only just been made are parked as well.
  for (const auto& lane : lanes_) counts.aside += lane->state_ == Lane::State::kAtWork ? 1 : 0;
  if (started_) counts.aside -= std::min<size_t>(stations_.size(), counts.aside);
  return counts;
}

}  // namespace wasmoor::function
