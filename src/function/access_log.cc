#include "function/access_log.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "wasmoor/base/time.h"

namespace wasmoor::function {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostText = 2048;

std::string_view EndName(End end) {
  switch (end) {
    case End::kOk: return "ok";
    case End::kFailed: return "failed";
    case End::kTimedOut: return "timed-out";
    case End::kRefused: return "refused";
    case End::kAbandoned: return "abandoned";
  }
  return "";
}

int64_t Microseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

}  // namespace

std::string AccessLine(const RequestReport& report) {
  Json line = {{"time", Rfc3339(std::chrono::system_clock::now(), Precision::kMilliseconds)},
               {"method", report.method.substr(0, kMostText)},
               {"target", report.target.substr(0, kMostText)},
               {"function", report.function},
               {"status", report.status},
               {"end", EndName(report.end)},
               {"duration_us", Microseconds(report.duration)},
               {"queue_us", Microseconds(report.queued)},
               {"cpu_us", Microseconds(report.cpu_time)},
               {"memory_bytes", report.memory},
               {"received_bytes", report.bytes_in},
               {"sent_bytes", report.bytes_out}};
  if (!report.tenant.empty()) line["tenant"] = report.tenant;
  if (!report.traceparent.empty()) line["traceparent"] = report.traceparent;
  if (!report.problem.empty()) line["problem"] = report.problem.substr(0, kMostText);
  if (!report.backtrace.empty()) line["backtrace"] = report.backtrace.substr(0, kMostText);
  // A target may have bytes that are no UTF-8.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace wasmoor::function
