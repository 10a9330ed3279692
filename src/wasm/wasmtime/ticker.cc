#include "wasm/wasmtime/ticker.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "wasmoor/base/check.h"
#include "wasmoor/os/signal.h"

namespace wasmoor::wasm::wasmtime {
namespace {

// Ignored by default, so a late one does no harm; caught by a function that does nothing and
// without SA_RESTART, so a blocked system call fails with EINTR (signal(7)).
constexpr int kKick = SIGURG;

void Ignore(int) {}

void CatchKick() {
  struct sigaction action = {};
  action.sa_handler = Ignore;
  sigaction(kKick, &action, nullptr);
}

// A thread that an embedder made may have all signals blocked.
void UnblockKick() {
  thread_local bool done = false;
  if (done) return;
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, kKick);
  pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);
  done = true;
}

}  // namespace

Ticker::Ticker(std::chrono::milliseconds tick) : tick_(tick) {}

void Ticker::StartLocked() {
  CatchKick();
  // The process's signals are for its other threads.
  const os::SignalsHeld held;
  thread_ = std::thread([this] { Loop(); });
}

void Ticker::Start() {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) StartLocked();
}

Ticker::~Ticker() {
  {
    const std::lock_guard lock(mutex_);
    CHECK(running_.empty());
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Ticker::AddEngine(wasm_engine_t* engine) {
  const std::lock_guard lock(mutex_);
  engines_.push_back(engine);
}

Ticker::Running::Running(Ticker& ticker, hostcall::Interrupt& interrupt,
                         const std::atomic<bool>& waits, std::optional<Clock::time_point> deadline,
                         const wasmoor_driver_t* driver)
    : ticker_(ticker),
      interrupt_(interrupt),
      waits_(waits),
      deadline_(deadline),
      driver_(driver),
      thread_(pthread_self()) {
  UnblockKick();
  const std::lock_guard lock(ticker_.mutex_);
  if (!ticker_.thread_.joinable()) ticker_.StartLocked();
  index_ = ticker_.running_.size();
  ticker_.running_.push_back(this);
  ++ticker_.begun_;
  // Whoever sleeps is woken once, and not by everyone until it has come to run.
  const bool slept = std::exchange(ticker_.sleeps_, false);
  if (deadline) ticker_.hurry_ = true;
  if (slept || deadline) ticker_.changed_.notify_one();
}

Ticker::Running::~Running() {
  const std::lock_guard lock(ticker_.mutex_);
  Running* last = ticker_.running_.back();
  ticker_.running_[index_] = last;
  last->index_ = index_;
  ticker_.running_.pop_back();
}

void Ticker::Hurry() {
  const std::lock_guard lock(mutex_);
  hurry_ = true;
  changed_.notify_one();
}

bool Ticker::TickLocked(Clock::time_point now) {
  bool urgent = false;
  for (wasm_engine_t* engine : engines_) wasmtime_engine_increment_epoch(engine);
  for (Running* running : running_) {
    if (running->deadline_ && now >= *running->deadline_)
      running->interrupt_.Request(hostcall::StopReason::kDeadline);
    const bool is_to_end = running->interrupt_.requested();
    if (is_to_end) pthread_kill(running->thread_, kKick);
    if (is_to_end && running->driver_ != nullptr) wasmoor_driver_ring(running->driver_);
    urgent |= is_to_end || running->deadline_ || !running->waits_.load(std::memory_order_relaxed);
  }
  return urgent;
}

void Ticker::Loop() {
  pthread_setname_np(pthread_self(), "wasm-ticker");

  // A guest that comes out of a host function and computes is noticed so late at most.
  constexpr int kSlowest = 16;
  std::chrono::milliseconds pause = tick_;
  uint64_t seen = 0;  // Of begun_.
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    // Where guests begin and end all the time there may be none at any tick.
    const bool some_began = std::exchange(seen, begun_) != begun_;
    const bool is_idle = running_.empty() && !some_began;
    if (is_idle || pause > tick_) {
      const auto is_wanted = [&] { return stopping_ || hurry_ || begun_ != seen; };
      sleeps_ = true;
      is_idle ? changed_.wait(lock, is_wanted)
              : static_cast<void>(changed_.wait_for(lock, pause, is_wanted));
      sleeps_ = false;
    } else {
      changed_.wait_for(lock, tick_, [this] { return stopping_ || hurry_; });
    }
    const bool hurried = std::exchange(hurry_, false);
    const bool urgent = TickLocked(Clock::now()) || begun_ != seen;
    pause = urgent || hurried ? tick_ : std::min(pause * 2, tick_ * kSlowest);
  }
}

}  // namespace wasmoor::wasm::wasmtime
