#include "rpc/expiry.h"

#include <memory>
#include <utility>

namespace wasmoor::rpc {

void Expiry::Add(Clock::time_point due) {
  if (timer_.pending() && set_for_ <= due) return;
  set_for_ = due;
  timer_ = loop_.After(due - Clock::now(), [this] {
    // Copies, since the sweep may end the calls' owner and this with it.
    const Sweep sweep = sweep_;
    sweep(Clock::now());
  });
}

}  // namespace wasmoor::rpc
