#include "function/run.h"

#include "wasmoor/os/thread.h"

namespace wasmoor::function {

void Stopwatch::Begin(Until until) {
  began_ = std::chrono::steady_clock::now();
  measured_.reset();
  if (until == Until::kTaken) measured_ = os::OwnThreadTime();
  before_ = {};
}

std::chrono::nanoseconds Stopwatch::Look() {
  if (!measured_) {
    measured_ = os::OwnThreadTime();
    before_ = Passed();
  }
  return before_ + (os::OwnThreadTime() - *measured_);
}

Stopwatch::Time Stopwatch::End() const {
  const auto passed = Passed();
  return {.cpu = measured_ ? before_ + (os::OwnThreadTime() - *measured_) : passed, .wall = passed};
}

std::chrono::nanoseconds Stopwatch::Passed() const {
  return std::chrono::steady_clock::now() - began_;
}

}  // namespace wasmoor::function
