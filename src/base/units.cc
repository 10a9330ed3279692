#include "wasmoor/base/units.h"

#include <array>
#include <charconv>
#include <cmath>

namespace wasmoor {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kKibi = 1024;
constexpr double kKilo = 1000;

constexpr std::array kSizeUnits = {
    Unit{"", 1},
    Unit{"b", 1},
    Unit{"k", kKibi},
    Unit{"kib", kKibi},
    Unit{"kb", kKilo},
    Unit{"m", kKibi * kKibi},
    Unit{"mib", kKibi * kKibi},
    Unit{"mb", kKilo * kKilo},
    Unit{"g", kKibi * kKibi * kKibi},
    Unit{"gib", kKibi * kKibi * kKibi},
    Unit{"gb", kKilo * kKilo * kKilo},
    Unit{"t", kKibi * kKibi * kKibi * kKibi},
    Unit{"tib", kKibi * kKibi * kKibi * kKibi},
    Unit{"tb", kKilo * kKilo * kKilo * kKilo},
};

constexpr double kNanosecondsPerSecond = 1e9;
constexpr std::array kDurationUnits = {
    Unit{"", kNanosecondsPerSecond},
    Unit{"ns", 1},
    Unit{"us", 1e3},
    Unit{"ms", 1e6},
    Unit{"s", kNanosecondsPerSecond},
    Unit{"m", 60 * kNanosecondsPerSecond},
    Unit{"h", 3600 * kNanosecondsPerSecond},
    Unit{"d", 24 * 3600 * kNanosecondsPerSecond},
};

constexpr double kMaxSize = 9e18;
constexpr double kMaxDuration = 100.0 * 365 * 24 * 3600 * kNanosecondsPerSecond;

std::string Lower(std::string_view text) {
  std::string lower;
  for (char c : text) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return lower;
}

// A number and a unit of the table; negative on any mistake.
template <size_t kCount>
double Parse(std::string_view text, const std::array<Unit, kCount>& units) {
  const std::string lower = Lower(text);
  double number = 0;
  const char* end = lower.data() + lower.size();
  const auto [stop, error] = std::from_chars(lower.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number) || std::signbit(number)) return -1;
  std::string_view name(stop, static_cast<size_t>(end - stop));
  if (name.starts_with(' ')) name.remove_prefix(1);
  for (const Unit& unit : units) {
    if (unit.name == name) return number * unit.factor;
  }
  return -1;
}

}  // namespace

Result<uint64_t> ParseSize(std::string_view text) {
  const double bytes = Parse(text, kSizeUnits);
  if (bytes < 0) {
    return Fail(Code::kInvalidArgument,
                "'{}' is not a size: write a number and a unit, as in 64MiB", text);
  }
  if (bytes > kMaxSize) return Fail(Code::kInvalidArgument, "'{}' is too large a size", text);
  return static_cast<uint64_t>(bytes);
}

Result<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  const double nanoseconds = Parse(text, kDurationUnits);
  if (nanoseconds < 0) {
    return Fail(Code::kInvalidArgument,
                "'{}' is not a duration: write a number and a unit, as in 500ms or 2s", text);
  }
  if (nanoseconds > kMaxDuration)
    return Fail(Code::kInvalidArgument, "'{}' is too long a duration", text);
  return std::chrono::nanoseconds(static_cast<int64_t>(nanoseconds));
}

std::string FormatSize(uint64_t bytes) {
  constexpr std::array kNames = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < kKibi) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes) / kKibi;
  size_t unit = 0;
  for (; size >= kKibi && unit + 1 < kNames.size(); ++unit) size /= kKibi;
  return fmt::format("{:.1f} {}", size, kNames[unit]);
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  const auto nanoseconds = static_cast<double>(duration.count());
  if (nanoseconds < 1e3) return fmt::format("{} ns", duration.count());
  if (nanoseconds < 1e6) return fmt::format("{:.1f} us", nanoseconds / 1e3);
  if (nanoseconds < kNanosecondsPerSecond) return fmt::format("{:.1f} ms", nanoseconds / 1e6);
  return fmt::format("{:.2f} s", nanoseconds / kNanosecondsPerSecond);
}

}  // namespace wasmoor
