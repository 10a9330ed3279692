#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/http/server.h"
#include "wasmoor/loop/acceptor.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/telemetry/metrics.h"

namespace wasmoor::function {

// Whether the server can serve, for those who watch over it:
//
//     GET /ready     200, or 503 and a line that says why not
//     GET /live      200, as long as the keeper's loop goes round
//     GET /metrics   for Prometheus
//
// On the keeper's loop.
class Health : public http::Handler {
 public:
  struct Options {
    loop::Loop& loop;
    const telemetry::Registry& registry;
    std::function<Status()> ready;
    // Answers what has another path; null: it is not there.
    http::Handler* others = nullptr;
  };
  explicit Health(Options options);
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;
  ~Health() override;

  Status Listen(const os::Fd& listening);  // Which outlives this.

  std::unique_ptr<http::Work> Begin(const http::Head& head, http::Exchange& exchange) override;

 private:
  const Options options_;
  std::unique_ptr<http::Server> server_;
  std::list<std::unique_ptr<loop::Acceptor>> acceptors_;  // They give it connections.
};

}  // namespace wasmoor::function
