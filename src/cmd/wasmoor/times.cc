#include "cmd/wasmoor/times.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace wasmoor::cmd {
namespace {

using std::chrono::system_clock;

struct Unit {
  std::chrono::seconds size;
  std::string_view name;
};
constexpr std::array kUnits = {
    Unit{std::chrono::hours(24), "day"},
    Unit{std::chrono::hours(1), "hour"},
    Unit{std::chrono::minutes(1), "minute"},
    Unit{std::chrono::seconds(1), "second"},
};

}  // namespace

std::string Ago(system_clock::time_point time, system_clock::time_point now) {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - time);
  // Two clocks of one machine (a file's and a process's) may differ by that.
  constexpr std::chrono::seconds kSlack{2};
  if (age < -kSlack) return "in the future";
  for (const Unit& unit : kUnits) {
    const auto count = age / unit.size;
    if (count > 0 && age > kSlack)
      return fmt::format("{} {}{} ago", count, unit.name, count == 1 ? "" : "s");
  }
  return "just now";
}

}  // namespace wasmoor::cmd
