#pragma once

#include <chrono>
#include <cstdint>
#include <list>
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

// Requests that failed alike, for who looks for the reason: of one function, with the same problem
// at the same place.
struct FailedRequest {
  uint64_t number = 0;                              // Its own.
  uint64_t times = 1;                               // So often,
  std::chrono::system_clock::time_point first, at;  // from then to then. The rest is of the last.
  std::string function, method, target, problem, backtrace;
  unsigned status = 0;
};

// What all loops have counted, by function, about a second ago; and what failed last. The keeper's
// thread, but where it says otherwise.
class Totals {
 public:
  static constexpr size_t kMostFailures = 100;  // That are not alike.

  explicit Totals(size_t loops) : by_loop_(loops) {}

  void Put(size_t loop, std::vector<std::pair<std::string, Numbers>> news);
  // "" is what named no function.
  std::map<std::string, Numbers, std::less<>> Sums() const;
  Numbers All() const;  // Of all functions together.

  void Keep(const RequestReport& report);       // Any thread.
  std::vector<FailedRequest> Failures() const;  // The latest first.

  // The metrics of requests: wasmoor_function_….
  void WriteTo(telemetry::Page& page) const;

 private:
  std::vector<std::map<std::string, Numbers, std::less<>>> by_loop_;
  mutable std::mutex mutex_;           // Of the failures.
  std::list<FailedRequest> failures_;  // The latest first.
  uint64_t next_failure_ = 0;
};

// "acme" of "acme/hello"; empty if it has no tenant.
std::string_view TenantPart(std::string_view function);

}  // namespace wasmoor::function
