#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "function/front.h"
#include "function/numbers.h"
#include "wasmoor/telemetry/metrics.h"

namespace wasmoor::function {

// A request that failed, for who looks for the reason.
struct FailedRequest {
  std::chrono::system_clock::time_point at;
  std::string function, method, target, problem, backtrace;
  unsigned status = 0;
};

// What all loops have counted, by function, about a second ago; and what failed last. The keeper's
// thread, but where it says otherwise.
class Totals {
 public:
  static constexpr size_t kMostFailures = 100;

  explicit Totals(size_t loops) : by_loop_(loops) {}

  void Put(size_t loop, std::vector<std::pair<std::string, Numbers>> news);
  // "" is what named no function.
  std::map<std::string, Numbers, std::less<>> Sums() const;
  Numbers All() const;  // Of all functions together.

  void Keep(const RequestReport& report);  // Any thread.
  std::vector<FailedRequest> Failures() const;

  // The metrics of requests: wasmoor_function_….
  void WriteTo(telemetry::Page& page) const;

 private:
  std::vector<std::map<std::string, Numbers, std::less<>>> by_loop_;
  mutable std::mutex mutex_;  // Of the failures.
  std::deque<FailedRequest> failures_;
};

// "acme" of "acme/hello"; empty if it has no tenant.
std::string_view TenantPart(std::string_view function);

}  // namespace wasmoor::function
