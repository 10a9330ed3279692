#include "function/page/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string_view>

#include "function/page/snapshot.h"

namespace wasmoor::function::page {
namespace {

constexpr std::string_view kNothing = "–";

// Two or three digits, in the unit where they are before the point.
std::string Short(double value, std::string_view unit, double whole) {
  return value < whole ? fmt::format("{:.1f} {}", value, unit)
                       : fmt::format("{:.0f} {}", value, unit);
}

}  // namespace

std::string CountText(double count) {
  std::string text = fmt::format("{:.0f}", count);
  constexpr size_t kGroup = 3;
  for (size_t at = text.size(); at > kGroup; at -= kGroup) text.insert(at - kGroup, 1, ',');
  return text;
}

std::string RateText(double per_second) {
  constexpr double kLeast = 0.05, kWhole = 9.95;
  if (per_second <= 0) return "0";
  if (per_second < kLeast) return "<0.1";
  return per_second < kWhole ? fmt::format("{:.1f}", per_second) : CountText(per_second);
}

std::string CpusText(double cpus) {
  constexpr double kLeast = 0.005;
  if (cpus <= 0) return "0";
  return cpus < kLeast ? "<0.01" : fmt::format("{:.2f}", cpus);
}

std::string TimeText(double seconds) {
  constexpr double kMicro = 1e-6, kMilli = 1e-3, kWhole = 9.95;
  if (std::isinf(seconds)) return ">30 s";
  if (seconds < 0) return std::string(kNothing);
  if (seconds < kMilli * 0.9995) return Short(seconds / kMicro, "µs", kWhole);
  return seconds < 0.9995 ? Short(seconds / kMilli, "ms", kWhole) : Short(seconds, "s", kWhole);
}

std::string SpanText(double seconds) {
  constexpr double kTenth = 0.05, kMinute = 60, kHour = 3600, kDay = 86400;
  const auto whole = static_cast<uint64_t>(std::max(seconds, 0.0));
  if (seconds < kTenth) return "0";
  if (seconds < kMinute) return Short(seconds, "s", 9.95);
  if (seconds < kHour) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (seconds < kDay) return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}

std::string AgoText(std::chrono::nanoseconds age) {
  const double seconds = std::chrono::duration<double>(age).count();
  return seconds < 1 ? "just now" : SpanText(seconds) + " ago";
}

std::string SizeText(double bytes) {
  constexpr double kNext = 1024, kCarries = 1023.5, kWhole = 99.95;
  constexpr std::array<std::string_view, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes <= 0) return std::string(kNothing);
  if (bytes < kNext) return fmt::format("{:.0f} B", bytes);
  size_t unit = 0;
  for (bytes /= kNext; bytes >= kCarries && unit + 1 < kUnits.size(); ++unit) bytes /= kNext;
  return Short(bytes, kUnits[unit], kWhole);
}

std::string MillicoresText(double millicores) {
  return millicores <= 0 ? std::string(kNothing) : CountText(millicores) + " m";
}

std::string ClockText(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

double Quantile(std::span<const double> bounds, std::span<const uint64_t> counts, double share) {
  const uint64_t all = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  if (all == 0) return kNone;
  const double wanted = share * static_cast<double>(all);
  double below = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= wanted) {
      const double from = i == 0 ? 0 : bounds[i - 1];
      return from + (bounds[i] - from) * (wanted - below) / here;
    }
    below += here;
  }
  return kBeyond;
}

}  // namespace wasmoor::function::page
