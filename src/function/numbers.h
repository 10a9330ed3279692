#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

namespace wasmoor::function {

// How a request ended, as metrics tell it.
enum class End : uint8_t { kOk, kFailed, kTimedOut, kRefused, kAbandoned };
constexpr size_t kEnds = 5;

// What one loop has counted of one function. Added up over all loops when it is asked for.
struct Numbers {
  // Of durations from a request's head to its end, in seconds; the last are those beyond all.
  static constexpr std::array<double, 14> kBounds = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30};

  std::array<uint64_t, kEnds> ends{};
  std::array<uint64_t, kBounds.size() + 1> durations{};
  double duration_sum = 0;  // Seconds.
  std::chrono::nanoseconds cpu_time{0};
  std::chrono::nanoseconds queued{0};  // Before their guests began.
  uint64_t cold = 0;                   // Had to wait for their module.
  uint64_t aside = 0;                  // Got a thread of their own.
  uint64_t memory_refusals = 0;
  uint64_t most_memory = 0;  // Of one instance, in bytes.
  uint64_t bytes_in = 0, bytes_out = 0;

  void Observe(std::chrono::nanoseconds duration);
  void Add(const Numbers& other);
};

}  // namespace wasmoor::function
