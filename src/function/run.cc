#include "function/run.h"

#include <time.h>

namespace wasmoor::function {
namespace {

std::chrono::nanoseconds OwnTime() {
  struct timespec time = {};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

void Stopwatch::Begin(Until until) {
  began_ = std::chrono::steady_clock::now();
  measured_.reset();
  if (until == Until::kTaken) measured_ = OwnTime();
  before_ = {};
}

std::chrono::nanoseconds Stopwatch::Look() {
  if (!measured_) {
    measured_ = OwnTime();
    before_ = Passed();
  }
  return before_ + (OwnTime() - *measured_);
}

Stopwatch::Time Stopwatch::End() const {
  const auto passed = Passed();
  return {.cpu = measured_ ? before_ + (OwnTime() - *measured_) : passed, .wall = passed};
}

std::chrono::nanoseconds Stopwatch::Passed() const {
  return std::chrono::steady_clock::now() - began_;
}

}  // namespace wasmoor::function
