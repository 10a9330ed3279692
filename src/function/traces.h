#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "function/front.h"
#include "function/head.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/telemetry/otlp.h"
#include "wasmoor/telemetry/trace.h"

namespace wasmoor::function {

// Where spans of requests go. The keeper's thread, but for the tracers.
class Traces {
 public:
  // kInvalidArgument: as OtlpExporter::Create.
  static Result<std::unique_ptr<Traces>> Create(loop::Loop& keeper,
                                                const telemetry::OtlpSettings& settings,
                                                std::function<void(std::string_view)> warn);

  // For one loop, whose thread it belongs to from then on. It goes with this.
  telemetry::Tracer& NewTracer();
  // Before the process ends.
  void Flush(std::chrono::milliseconds patience, std::function<void()> done) {
    exporter_->Flush(patience, std::move(done));
  }

 private:
  Traces(loop::Loop& keeper, telemetry::Sampler sampler) : keeper_(keeper), sampler_(sampler) {}

  loop::Loop& keeper_;
  const telemetry::Sampler sampler_;
  std::unique_ptr<telemetry::OtlpExporter> exporter_;
  std::list<telemetry::Tracer> tracers_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // For posts.
};

// One request's: a span of the whole, named as OpenTelemetry's conventions for HTTP servers have
// it, and one of its guest's run.
class RequestTrace {
 public:
  RequestTrace(telemetry::Tracer& tracer, const Head& head, std::string_view function);

  void BeginRun();
  void EndRun() { run_.End(); }
  // What the guest is told as its parent.
  std::string traceparent() const { return telemetry::FormatTraceparent(run_.context()); }
  void End(const RequestReport& report, bool cold);

 private:
  telemetry::Tracer& tracer_;
  telemetry::Span whole_, run_;
};

}  // namespace wasmoor::function
