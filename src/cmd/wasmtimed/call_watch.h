#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "wasmoor/base/error.h"
#include "wasmoor/telemetry/metrics.h"
#include "wasmoor/telemetry/trace.h"
#include "wasmoor/ttrpc/call.h"

namespace wasmoor::cmd {

// Counts, times and traces the calls of containerd's task services. Loop thread only; outlives the
// servers that tell it.
class CallWatch {
 public:
  explicit CallWatch(telemetry::Registry& registry);
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  // From now on each call is a span too, below that of containerd's (`traceparent` in its
  // metadata). But for Wait, which takes as long as a container lives. Null: no more.
  void Trace(telemetry::Tracer* tracer) { tracer_ = tracer; }

  // A ttrpc::CallHook.
  std::function<void(const Error*)> OnCall(const ttrpc::CallInfo& info, std::string_view payload);

 private:
  using Clock = std::chrono::steady_clock;
  struct Call;
  void Begin(const Call& call);
  void End(Call* call, const Error* error);
  telemetry::Span StartSpan(const ttrpc::CallInfo& info, const Call& call) const;

  telemetry::Family<telemetry::Counter>&calls_, &created_, &started_;
  telemetry::Family<telemetry::Histogram>&seconds_, &to_running_;
  telemetry::Tracer* tracer_ = nullptr;
  // When the making of a container began that does not run yet, by namespace and id.
  std::map<std::string, Clock::time_point> begun_;
};

}  // namespace wasmoor::cmd
