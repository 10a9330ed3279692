#include "function/totals.h"

#include <algorithm>
#include <array>

namespace wasmoor::function {
namespace {

constexpr size_t kMostText = 4 << 10;
constexpr std::array<std::string_view, kEnds> kEndNames = {"ok", "failed", "timed_out", "refused",
                                                           "abandoned"};

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::string_view TenantPart(std::string_view function) {
  const size_t slash = function.find('/');
  return slash == function.npos ? std::string_view() : function.substr(0, slash);
}

void Totals::Put(size_t loop, std::vector<std::pair<std::string, Numbers>> news) {
  for (auto& [function, numbers] : news) by_loop_[loop][function] = numbers;
}

std::map<std::string, Numbers, std::less<>> Totals::Sums() const {
  std::map<std::string, Numbers, std::less<>> sums;
  for (const auto& loop : by_loop_) {
    for (const auto& [function, numbers] : loop) sums[function].Add(numbers);
  }
  return sums;
}

Numbers Totals::All() const {
  Numbers all;
  for (const auto& loop : by_loop_) {
    for (const auto& [function, numbers] : loop) all.Add(numbers);
  }
  return all;
}

void Totals::Keep(const RequestReport& report) {
  const auto now = std::chrono::system_clock::now();
  FailedRequest failed{.first = now,
                       .at = now,
                       .function = std::string(report.function),
                       .method = std::string(report.method.substr(0, kMostText)),
                       .target = std::string(report.target.substr(0, kMostText)),
                       .problem = std::string(report.problem.substr(0, kMostText)),
                       .backtrace = std::string(report.backtrace.substr(0, kMostText)),
                       .status = report.status};
  const std::lock_guard lock(mutex_);
  // Else one function that fails all the time would leave nothing of the others.
  const auto alike =
      std::find_if(failures_.begin(), failures_.end(), [&](const FailedRequest& one) {
        return one.function == failed.function && one.problem == failed.problem &&
               one.backtrace == failed.backtrace;
      });
  if (alike == failures_.end()) {
    failed.number = ++next_failure_;
    failures_.push_front(std::move(failed));
    if (failures_.size() > kMostFailures) failures_.pop_back();
    return;
  }
  failed.number = alike->number;
  failed.times = alike->times + 1;
  failed.first = alike->first;
  *alike = std::move(failed);
  failures_.splice(failures_.begin(), failures_, alike);
}

std::vector<FailedRequest> Totals::Failures() const {
  const std::lock_guard lock(mutex_);
  return {failures_.begin(), failures_.end()};
}

void Totals::WriteTo(telemetry::Page& page) const {
  const auto sums = Sums();
  using telemetry::Kind;
  const auto each = [&](Kind kind, std::string_view name, std::string_view help, auto value) {
    page.Begin(kind, name, help);
    for (const auto& [function, numbers] : sums)
      page.Add({{"tenant", TenantPart(function)}, {"function", function}}, value(numbers));
  };
  page.Begin(Kind::kCounter, "wasmoor_function_requests_total",
             "Requests that have ended, by how; those that named no function have none.");
  for (const auto& [function, numbers] : sums) {
    for (size_t i = 0; i < kEnds; ++i) {
      if (numbers.ends[i] == 0) continue;
      page.Add({{"tenant", TenantPart(function)}, {"function", function}, {"end", kEndNames[i]}},
               static_cast<double>(numbers.ends[i]));
    }
  }
  page.Begin(Kind::kHistogram, "wasmoor_function_request_duration_seconds",
             "Time from the head of a request to its end.");
  for (const auto& [function, numbers] : sums) {
    const std::array labels = {telemetry::Label{"tenant", TenantPart(function)},
                               telemetry::Label{"function", function}};
    page.Add(labels, Numbers::kBounds, numbers.durations, numbers.duration_sum);
  }
  each(Kind::kCounter, "wasmoor_function_cpu_seconds_total", "CPU time of guests.",
       [](const Numbers& numbers) { return Seconds(numbers.cpu_time); });
  each(Kind::kCounter, "wasmoor_function_queue_seconds_total",
       "Time in which requests waited for their guest to begin.",
       [](const Numbers& numbers) { return Seconds(numbers.queued); });
  each(Kind::kCounter, "wasmoor_function_cold_starts_total",
       "Requests that had to wait for their module.",
       [](const Numbers& numbers) { return static_cast<double>(numbers.cold); });
  each(Kind::kCounter, "wasmoor_function_long_runs_total",
       "Guests that took so long that they got a thread of their own.",
       [](const Numbers& numbers) { return static_cast<double>(numbers.aside); });
  each(Kind::kGauge, "wasmoor_function_memory_high_water_bytes",
       "The most memory that one guest has had.",
       [](const Numbers& numbers) { return static_cast<double>(numbers.most_memory); });
  each(Kind::kCounter, "wasmoor_function_memory_refusals_total",
       "Growths of memory that were refused at a limit.",
       [](const Numbers& numbers) { return static_cast<double>(numbers.memory_refusals); });
  each(Kind::kCounter, "wasmoor_function_received_bytes_total", "Bodies of requests.",
       [](const Numbers& numbers) { return static_cast<double>(numbers.bytes_in); });
  each(Kind::kCounter, "wasmoor_function_sent_bytes_total", "Bodies of responses.",
       [](const Numbers& numbers) { return static_cast<double>(numbers.bytes_out); });
}

}  // namespace wasmoor::function
