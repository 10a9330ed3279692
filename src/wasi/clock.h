#pragma once

#include <ctime>

#include "wasi/abi.h"

namespace wasmoor::wasi {

inline constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

// Linux's clock for one of preview 1's; false if there is no such clock. A guest is one thread, so
// both CPU-time clocks are the thread's: the process's would tell a guest how busy its neighbours
// are.
inline bool LinuxClock(uint32_t clock, clockid_t* out) {
  switch (static_cast<ClockId>(clock)) {
    case ClockId::kRealtime: *out = CLOCK_REALTIME; return true;
    case ClockId::kMonotonic: *out = CLOCK_MONOTONIC; return true;
    case ClockId::kProcessCputime:
    case ClockId::kThreadCputime: *out = CLOCK_THREAD_CPUTIME_ID; return true;
  }
  return false;
}

inline timespec ToTimespec(Timestamp nanoseconds) {
  timespec time = {};
  time.tv_sec = static_cast<time_t>(nanoseconds / kNanosecondsPerSecond);
  time.tv_nsec = static_cast<long>(nanoseconds % kNanosecondsPerSecond);
  return time;
}

// A time before 1970 has no Timestamp and becomes 0; one after 2554 becomes the last there is.
inline Timestamp FromTimespec(const timespec& time) {
  Timestamp nanoseconds = 0;
  if (time.tv_sec < 0) return 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(time.tv_sec), kNanosecondsPerSecond,
                             &nanoseconds) ||
      __builtin_add_overflow(nanoseconds, static_cast<uint64_t>(time.tv_nsec), &nanoseconds))
    return ~Timestamp{0};
  return nanoseconds;
}

inline Timestamp Now(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return FromTimespec(time);
}

}  // namespace wasmoor::wasi
