#include "wasm/wasmtime/ticker.h"

#include <csignal>

#include "wasmoor/base/check.h"

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
  // The process's signals are for its other threads: the new thread inherits this mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
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
                         std::optional<Clock::time_point> deadline)
    : ticker_(ticker), interrupt_(interrupt), deadline_(deadline), thread_(pthread_self()) {
  UnblockKick();
  const std::lock_guard lock(ticker_.mutex_);
  if (!ticker_.thread_.joinable()) ticker_.StartLocked();
  index_ = ticker_.running_.size();
  ticker_.running_.push_back(this);
  if (ticker_.idle_) ticker_.changed_.notify_one();
}

Ticker::Running::~Running() {
  const std::lock_guard lock(ticker_.mutex_);
  Running* last = ticker_.running_.back();
  ticker_.running_[index_] = last;
  last->index_ = index_;
  ticker_.running_.pop_back();
}

void Ticker::TickLocked(Clock::time_point now) {
  for (wasm_engine_t* engine : engines_) wasmtime_engine_increment_epoch(engine);
  for (Running* running : running_) {
    if (running->deadline_ && now >= *running->deadline_)
      running->interrupt_.Request(hostcall::StopReason::kDeadline);
    if (running->interrupt_.requested()) pthread_kill(running->thread_, kKick);
  }
}

void Ticker::Loop() {
  pthread_setname_np(pthread_self(), "wasm-ticker");

  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (running_.empty()) {
      idle_ = true;
      changed_.wait(lock, [this] { return stopping_ || !running_.empty(); });
      idle_ = false;
    }
    changed_.wait_for(lock, tick_, [this] { return stopping_; });
    TickLocked(Clock::now());
  }
}

}  // namespace wasmoor::wasm::wasmtime
