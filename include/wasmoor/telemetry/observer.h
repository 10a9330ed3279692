#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/http/server.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/telemetry/metrics.h"

namespace wasmoor::telemetry {

struct ObserverOptions {
  loop::Loop& loop;
  const Registry& registry;
  // Whether the process can do what it is there for; the error says to an operator why not. Asked
  // each time that readiness is asked for. Empty: always.
  std::function<Status()> ready;
  // Where liveness and readiness are told.
  std::string_view live_path = "/healthz", ready_path = "/readyz";
  // Answers what has another path; outlives the observer. Null: 404.
  http::Handler* others = nullptr;
  uint64_t body_bytes = 64 << 10;  // Of a request to those; 413 beyond.
  size_t connections = 32;         // At once, of all sockets; whoever comes beyond gets 503.
};

// Tells over HTTP how a process is:
//
//     GET /metrics   the registry, for Prometheus
//     GET /healthz   200, as long as the loop goes round
//     GET /readyz    200, or 503 and a line that says why
//
// Everything else is 404, if nobody else answers it (405 for other methods). Nobody is asked who he
// is: what listens should be on an address of the machine's own, or a unix socket. Loop thread
// only; a slow client costs its connection, for 10 seconds at most. Destroying it hangs up.
class Observer {
 public:
  explicit Observer(ObserverOptions options);
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  ~Observer();

  // Answers who connects to a stream socket that listens (os::ListenTcp, os::ListenUnix). As many
  // as there are.
  Status Listen(os::Fd listening);

  size_t connections() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::telemetry
