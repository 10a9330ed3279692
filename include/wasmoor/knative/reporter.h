#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::knative {

struct ReporterOptions {
  // The queue-proxy's, which shares the pod's network: an IP address or "localhost", with "ws://"
  // before it or without. No name server is asked.
  std::string host = "127.0.0.1";
  uint16_t port = 9096;
  std::string path = "/";
  std::chrono::milliseconds period{50};
  // Between two tries, growing from the first to the most; each is longer or shorter by a quarter
  // at random, so that the pods of a node do not come together.
  std::chrono::milliseconds first_pause{1000};
  std::chrono::milliseconds most_pause{30'000};
  // After so many in a row that came to nothing, the operator is told once more, and the pauses are
  // the longest. They never end.
  int most_tries_told = 10;
  // What connecting may take with the handshake, and for how long a peer may not read.
  std::chrono::milliseconds timeout{5000};
  // A connection that has lasted so long counts as one: what goes wrong after that is new.
  std::chrono::milliseconds settled{1000};
  // CPUs in use. Called once a period while there is somebody to tell. What is no number, or
  // negative, is told as 0.
  std::function<double()> sample;
  std::function<void(std::string_view)> warn;  // A line for the log; may be empty.
};

// Tells Knative's queue-proxy how many CPUs are in use: SuperPodMetrics (proto/knative) over a
// WebSocket (RFC 6455), which it makes and makes again for as long as it lives. A queue-proxy that
// is not there, hangs, or talks nonsense costs a line in the log and a connection now and then, and
// no memory: what cannot be sent is replaced by what is newer. Loop thread only; not to be
// destroyed from `sample` or `warn`. Destroying it says goodbye, without waiting.
class Reporter {
 public:
  // kInvalidArgument names the option. Whether anybody is there is found out later.
  static Result<std::unique_ptr<Reporter>> Create(loop::Loop& loop, ReporterOptions options);
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter();

  struct Counts {
    bool is_connected = false;
    uint64_t tries = 0, connections = 0;
    uint64_t sent = 0;        // Reports.
    uint64_t superseded = 0;  // Reports that were never sent, because a newer one came first.
  };
  Counts counts() const;

 private:
  class Parts;
  explicit Reporter(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::knative
