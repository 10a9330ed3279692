#include "cmd/wasmoor/usage_report.h"

#include <sys/resource.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "wasmoor/base/units.h"

namespace wasmoor::cmd {
namespace {

using std::chrono::nanoseconds;

nanoseconds FromTimeval(const struct timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

std::string_view SourceName(wasm::Cache::Found::Source source) {
  switch (source) {
    case wasm::Cache::Found::Source::kHit: return "cached";
    case wasm::Cache::Found::Source::kCompiled: return "compiled";
    case wasm::Cache::Found::Source::kWaited: return "waited for another process";
  }
  return "unknown";
}

double Milliseconds(nanoseconds duration) { return static_cast<double>(duration.count()) / 1e6; }

}  // namespace

void ReportUsage(bool json, nanoseconds wall, const wasm::Cache::Found& found,
                 const wasm::Usage& usage) {
  struct rusage process = {};
  getrusage(RUSAGE_SELF, &process);
  const nanoseconds user = FromTimeval(process.ru_utime);
  const nanoseconds system = FromTimeval(process.ru_stime);
  constexpr uint64_t kKibi = 1024;  // ru_maxrss is in KiB (getrusage(2)).
  const uint64_t resident = static_cast<uint64_t>(process.ru_maxrss) * kKibi;
  if (json) {
    const Json report = {
        {"wall_ms", Milliseconds(wall)},
        {"user_ms", Milliseconds(user)},
        {"system_ms", Milliseconds(system)},
        {"peak_resident_bytes", resident},
        {"guest_memory_bytes", usage.memory_bytes},
        {"guest_table_elements", usage.table_elements},
        {"guest_memory_refusals", usage.memory_refusals},
        {"code", SourceName(found.source)},
        {"tier", wasm::TierName(found.tier)},
        {"compile_ms", Milliseconds(found.compile_time)},
    };
    fputs(JsonLine(report).c_str(), stderr);
    return;
  }
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<16} {}\n", name, value);
  };
  line("wall time", FormatDuration(wall));
  line("CPU time", fmt::format("{} user, {} system", FormatDuration(user), FormatDuration(system)));
  line("peak resident", FormatSize(resident));
  line("guest memory", FormatSize(usage.memory_bytes));
  if (usage.memory_refusals > 0)
    line("growth refused", fmt::format("{} times", usage.memory_refusals));
  line("code", fmt::format("{}, {}", wasm::TierName(found.tier), SourceName(found.source)));
  if (found.compile_time.count() > 0) line("compile time", FormatDuration(found.compile_time));
  fputs(text.c_str(), stderr);
}

}  // namespace wasmoor::cmd
