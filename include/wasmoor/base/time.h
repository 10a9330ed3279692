#pragma once

#include <chrono>
#include <cstdint>
#include <string>

// Moments as files and messages have them: nanoseconds since 1970-01-01 00:00 UTC.
namespace wasmoor {

inline int64_t ToNanoseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

inline std::chrono::system_clock::time_point FromNanoseconds(int64_t time) {
  using std::chrono::system_clock;
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(std::chrono::nanoseconds(time)));
}

// "2026-11-21T17:27:23Z", in UTC (RFC 3339); with as many digits of its second as are asked for.
enum class Precision : uint8_t { kSeconds, kMilliseconds, kNanoseconds };
std::string Rfc3339(std::chrono::system_clock::time_point time, Precision precision);

}  // namespace wasmoor
