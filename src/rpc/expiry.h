#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "wasmoor/loop/loop.h"
#include "wasmoor/rpc/call.h"

namespace wasmoor::rpc {

// The deadlines of many calls by one timer, which is set for the earliest. A call that ends before
// its time is not told: most do, and the timer then looks once in vain for all of them.
class Expiry {
 public:
  // Ends what is due at `now`, and adds what is due next. May destroy the Expiry.
  using Sweep = std::function<void(Clock::time_point now)>;
  Expiry(loop::Loop& loop, Sweep sweep) : loop_(loop), sweep_(std::move(sweep)) {}

  void Add(Clock::time_point due);

 private:
  loop::Loop& loop_;
  Sweep sweep_;
  loop::Timer timer_;
  Clock::time_point set_for_;
};

// Takes the calls that are due out of a map of pointers to them, into `ended`. When the next is
// due; none if no other has a deadline.
template <typename Calls, typename Ended>
std::optional<Clock::time_point> TakeDue(Clock::time_point now, Calls* calls, Ended* ended) {
  std::optional<Clock::time_point> next;
  for (auto call = calls->begin(); call != calls->end();) {
    const auto deadline = call->second->deadline;
    if (deadline && *deadline <= now) {
      ended->push_back(std::move(call->second));
      call = calls->erase(call);
      continue;
    }
    if (deadline && (!next || *deadline < *next)) next = deadline;
    ++call;
  }
  return next;
}

}  // namespace wasmoor::rpc
