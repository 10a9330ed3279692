#include "loop/timers.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace wasmoor::loop {

Result<std::shared_ptr<Timers>> Timers::Create() {
  os::Fd clock(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!clock.valid()) return FailErrno(errno, "event loop: timerfd_create");
  return std::shared_ptr<Timers>(new Timers(std::move(clock)));
}

std::shared_ptr<Waiting> Timers::Add(Clock::time_point when, Callback work) {
  auto one = std::make_shared<Waiting>(shared_from_this(), std::move(work));
  one->place_ = waiting_.emplace(when, one.get());
  one->pending_ = true;
  Arm();
  return one;
}

void Timers::Hear() {
  uint64_t times = 0;
  (void)!::read(clock_.get(), &times, sizeof times);
  armed_ = Clock::time_point::max();
  due_ = Clock::now();
}

bool Timers::ServeNext() {
  const auto first = waiting_.begin();
  if (first == waiting_.end() || first->first > due_) {
    Arm();
    return false;
  }
  Waiting& one = *first->second;
  waiting_.erase(first);
  one.pending_ = false;
  // It may destroy the one.
  const Callback work = std::exchange(one.work_, nullptr);
  work();
  return true;
}

// One that was taken back may have it go off for nothing, which costs less than setting it anew.
void Timers::Arm() {
  if (waiting_.empty() || waiting_.begin()->first >= armed_) return;
  armed_ = waiting_.begin()->first;
  const auto since_start = armed_.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_start);
  struct itimerspec when = {};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = std::chrono::nanoseconds(since_start - seconds).count();
  ::timerfd_settime(clock_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

Waiting::~Waiting() {
  if (pending_) all_->waiting_.erase(place_);
}

}  // namespace wasmoor::loop
