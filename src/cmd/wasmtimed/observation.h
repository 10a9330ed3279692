#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/wasmtimed/call_watch.h"
#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/node/sandboxes.h"
#include "wasmoor/sandbox/inproc/inproc_sandbox.h"
#include "wasmoor/telemetry/metrics.h"
#include "wasmoor/telemetry/observer.h"
#include "wasmoor/telemetry/otlp.h"
#include "wasmoor/telemetry/trace.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::cmd {

// How an operator sees what the node's daemon does: metrics and health over HTTP, traces to a
// collector. All of it is off until Serve and Trace are called, and counting costs little. Loop
// thread only; outlives the sandboxes and the servers.
class Observation {
 public:
  // `warn` takes lines for the log.
  Observation(loop::Loop& loop, std::function<void(std::string_view)> warn);
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;
  ~Observation();

  // Serves /metrics, /healthz and /readyz (telemetry/observer.h) at "ADDRESS:PORT", or at the path
  // of a unix socket, which is removed at the end. Any number.
  Status Serve(const std::string& where);

  // Sends traces if the environment (getenv(3)) asks for it as OpenTelemetry has it
  // (telemetry/otlp.h). What it cannot do is a warning: a daemon serves without traces, too.
  void Trace(const std::function<const char*(const char*)>& get);

  // Counts how processes end. For node::Settings::make_parts.
  node::MakeParts Counted(node::MakeParts make);
  // For the sandboxes' servers. It refers to this.
  ttrpc::CallHook calls();

  // What is asked at a scrape; outlives this, or is taken back by Forget.
  struct Sources {
    const node::Sandboxes& sandboxes;
    const sandbox::Hosts& hosts;
    std::function<node::EventCounts()> events;  // May be empty.
  };
  void Watch(Sources sources) { sources_.emplace(std::move(sources)); }
  void Forget() { sources_.reset(); }

  // What /readyz says from now on; before the first call, that the daemon is starting.
  void BecomeReady(Status ready) { ready_ = std::move(ready); }

  // Before the process ends: sends the spans that wait, and calls `done` once from the loop, when
  // they are told or after `patience`.
  void Flush(std::chrono::milliseconds patience, std::function<void()> done);

 private:
  class CountingListener;
  void Collect(telemetry::Page& page) const;
  void CollectNode(telemetry::Page& page) const;
  void CollectProcesses(telemetry::Page& page) const;
  void CollectEvents(telemetry::Page& page) const;
  void CollectTraces(telemetry::Page& page) const;

  loop::Loop& loop_;
  const std::function<void(std::string_view)> warn_;
  telemetry::Registry registry_;
  telemetry::Family<telemetry::Counter>&exits_, &memory_kills_;
  CallWatch calls_;
  std::optional<Sources> sources_;
  Status ready_;
  std::vector<std::string> claimed_;  // Paths, to be removed.
  std::unique_ptr<telemetry::Observer> observer_;
  std::unique_ptr<telemetry::OtlpExporter> exporter_;
  std::unique_ptr<telemetry::Tracer> tracer_;
  loop::Timer flushed_;
};

}  // namespace wasmoor::cmd
