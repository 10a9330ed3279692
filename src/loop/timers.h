#pragma once

#include <chrono>
#include <map>
#include <memory>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::loop {

class Waiting;

// What waits for its time, and a timerfd_create(2) that becomes readable at the next one's.
class Timers : public std::enable_shared_from_this<Timers> {
 public:
  using Clock = std::chrono::steady_clock;

  static Result<std::shared_ptr<Timers>> Create();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  int descriptor() const { return clock_.get(); }
  std::shared_ptr<Waiting> Add(Clock::time_point when, Callback work);
  // The descriptor is readable: what is due by now is to be served.
  void Hear();
  // Calls the first of that. False: there is none left, until the descriptor is readable again.
  bool ServeNext();
  bool empty() const { return waiting_.empty(); }

 private:
  friend class Waiting;
  explicit Timers(os::Fd clock) : clock_(std::move(clock)) {}
  void Arm();

  const os::Fd clock_;
  std::multimap<Clock::time_point, Waiting*> waiting_;
  Clock::time_point armed_ = Clock::time_point::max();
  Clock::time_point due_ = Clock::time_point::min();
};

class Waiting {
 public:
  Waiting(std::shared_ptr<Timers> all, Callback work)
      : all_(std::move(all)), work_(std::move(work)) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting();

  bool pending() const { return pending_; }

 private:
  friend class Timers;
  const std::shared_ptr<Timers> all_;
  Callback work_;
  std::multimap<Timers::Clock::time_point, Waiting*>::iterator place_;  // While it is pending.
  bool pending_ = false;
};

}  // namespace wasmoor::loop
