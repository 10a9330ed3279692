#include "wasmoor/base/time.h"

#include <fmt/format.h>

#include <ctime>

namespace wasmoor {

std::string Rfc3339(std::chrono::system_clock::time_point time, Precision precision) {
  using std::chrono::duration_cast;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const std::time_t clock = std::chrono::system_clock::to_time_t(seconds);
  struct tm parts = {};
  gmtime_r(&clock, &parts);
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  if (precision == Precision::kMilliseconds)
    text += fmt::format(".{:03}", duration_cast<std::chrono::milliseconds>(time - seconds).count());
  if (precision == Precision::kNanoseconds)
    text += fmt::format(".{:09}", duration_cast<std::chrono::nanoseconds>(time - seconds).count());
  return text + 'Z';
}

}  // namespace wasmoor
