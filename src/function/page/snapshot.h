#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// All that the page shows, as plain values of one moment. Texts may be anybody's: names, targets
// and problems come from tenants and from their clients, and nothing of them is escaped here.
namespace wasmoor::function::page {

constexpr double kNone = -1;  // Of a time: there was nothing to measure.
constexpr double kBeyond = std::numeric_limits<double>::infinity();  // Longer than is measured.

// Of the last seconds (Snapshot::window).
struct Load {
  double requests = 0, failures = 0;             // A second.
  double cpus = 0;                               // Used by guests, of 1 each.
  double queued = kNone;                         // Seconds that a request waited, on the average.
  double p50 = kNone, p90 = kNone, p99 = kNone;  // Seconds from a request's head to its end.
};

// Since the server began.
struct Sums {
  uint64_t ok = 0, failed = 0, timed_out = 0, refused = 0, abandoned = 0;
  uint64_t cold = 0, long_runs = 0, memory_refusals = 0;
  uint64_t most_memory = 0;  // Of one instance, in bytes.
  uint64_t received = 0, sent = 0;
  double cpu_seconds = 0, queued_seconds = 0;

  uint64_t requests() const { return ok + failed + timed_out + refused + abandoned; }
  uint64_t failures() const { return failed + timed_out; }
};

enum class State : uint8_t { kRegistered, kCompiling, kReady, kBroken };

struct FunctionRow {
  std::string name;    // "acme/hello"
  std::string tenant;  // Empty: none.
  State state = State::kRegistered;
  bool loaded = false;
  std::string_view kind;  // Empty: not known yet. A literal.
  std::string problem;    // Of a ready one: an earlier file is in force.
  Load now;
  Sums sums;
};

// Of what admission gives.
struct Held {
  uint64_t requests = 0, millicores = 0, memory_bytes = 0;
};

struct TenantRow {
  std::string name;  // Empty: all functions that have none.
  uint64_t functions = 0, broken = 0;
  Load now;
  Sums sums;
  Held running, waiting;
};

// Requests that failed alike: of one function, with the same problem at the same place.
struct Failure {
  uint64_t number = 0;                              // Its own, for as long as it is kept.
  uint64_t times = 1;                               // So often.
  std::chrono::system_clock::time_point first, at;  // And when; the rest is of the last of them.
  std::string function, method, target, problem, backtrace;
  unsigned status = 0;  // 0: the response broke off.
};

// A value a second, the oldest first; all of one length.
struct History {
  std::vector<double> requests, failures, p99, cpus, memory, waiting;
};

struct Snapshot {
  std::string version, directory;
  std::vector<std::string> addresses;  // Where functions are called.
  std::chrono::system_clock::time_point now;
  std::chrono::seconds uptime{0};
  std::string not_ready;   // Why; empty: it is.
  std::string cpu_limits;  // How they are kept: "by control groups (…)".
  std::chrono::seconds window{10};

  uint64_t millicores = 0, memory_bytes = 0;  // That there are for guests.
  uint64_t promised_millicores = 0;           // The most of CPU that is promised at once.
  Held running, waiting, queue;               // The last: what may wait at most.
  uint64_t refused_full = 0;
  uint32_t threads = 0, threads_taken = 0, loops = 0;
  uint64_t loaded = 0, compiling = 0, broken = 0;

  Load load;
  Sums sums;
  uint64_t nameless = 0;  // Requests that named no function.
  History history;

  std::vector<FunctionRow> functions;  // By name.
  std::vector<TenantRow> tenants;      // By name.
  std::vector<Failure> failures;       // The latest first.
};

// More of one function.
struct Detail {
  std::vector<std::pair<std::string, std::string>> facts;  // What is known of it, line by line.
  // Of durations, in seconds, and how many were no longer than each and longer than the one before;
  // the last are those beyond all.
  std::vector<double> bounds;
  std::vector<uint64_t> recent, all;
};

}  // namespace wasmoor::function::page
