#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "function/page/snapshot.h"

namespace wasmoor::function::page::test {

// Of a server with some functions of two tenants and of none, in which `text` stands wherever
// somebody else's words can.
inline Snapshot SnapshotWith(std::string_view text) {
  const std::string words(text);
  Snapshot snapshot;
  snapshot.version = "1.2.3";
  snapshot.directory = "/srv/" + words;
  snapshot.addresses = {"127.0.0.1:8080", "unix:/run/" + words};
  snapshot.now = std::chrono::system_clock::time_point(std::chrono::seconds(2'000'000'000));
  snapshot.not_ready = words;
  snapshot.cpu_limits = words;
  snapshot.millicores = 2000;
  snapshot.memory_bytes = uint64_t{1} << 30;
  snapshot.history = {.requests = {1, 2, 3},
                      .failures = {0, 0, 1},
                      .p99 = {0.001, kNone, 0.003},
                      .cpus = {0, 1, 2},
                      .memory = {0, 0, 0},
                      .waiting = {0, 0, 0}};
  snapshot.functions = {
      {.name = "acme/" + words, .tenant = "acme", .problem = words},
      {.name = "hello", .state = State::kReady, .loaded = true, .kind = "a command"},
      {.name = words, .state = State::kBroken, .problem = words}};
  std::sort(snapshot.functions.begin(), snapshot.functions.end(),
            [](const FunctionRow& one, const FunctionRow& other) { return one.name < other.name; });
  for (FunctionRow& row : snapshot.functions) {
    if (row.name != "hello") continue;
    row.now = {.requests = 12, .failures = 1, .cpus = 0.25, .p99 = 0.002};
    row.sums.ok = 12345;
  }
  snapshot.tenants = {{.name = "", .functions = 2}, {.name = words, .functions = 1, .broken = 1}};
  snapshot.failures = {{.number = 2,
                        .times = 3,
                        .first = snapshot.now - std::chrono::seconds(100),
                        .at = snapshot.now - std::chrono::seconds(12),
                        .function = words,
                        .method = words,
                        .target = "/" + words,
                        .problem = words,
                        .backtrace = words + "\n  " + words,
                        .status = 500}};
  return snapshot;
}

}  // namespace wasmoor::function::page::test
