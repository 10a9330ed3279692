#pragma once

#include <chrono>
#include <cstddef>
#include <deque>

namespace wasmoor::knative {

// How many CPUs have been in use, over the last `window`: the CPU time used in it by its length.
// Readings may come at any distance, and are weighted by it: a mean of what was in use between each
// two of them would count a short while as much as a long one. Before there is a first pair, 0. One
// thread.
class MeanCores {
 public:
  // From a millisecond to a day; others are as the nearest.
  explicit MeanCores(std::chrono::nanoseconds window);

  // The CPU time used so far, at `now`, which is not before the last one's. A counter that has gone
  // back is another one (the control group's, say, which was made anew): it is begun with again.
  void Add(std::chrono::steady_clock::time_point now, std::chrono::nanoseconds cpu_time);

  double Mean() const;

  static constexpr size_t kMostReadings = 1024;  // Of one window; closer ones are not kept.

 private:
  struct Reading {
    std::chrono::steady_clock::time_point time;
    std::chrono::nanoseconds cpu_time;
  };

  const std::chrono::nanoseconds window_;
  std::deque<Reading> readings_;  // One of them may be older than the window.
};

}  // namespace wasmoor::knative
