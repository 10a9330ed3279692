#include "function/traces.h"

#include <optional>
#include <utility>

#include "function/http_status.h"

namespace wasmoor::function {
namespace {

int64_t Microseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

}  // namespace

Result<std::unique_ptr<Traces>> Traces::Create(loop::Loop& keeper,
                                               const telemetry::OtlpSettings& settings,
                                               std::function<void(std::string_view)> warn) {
  std::unique_ptr<Traces> traces(new Traces(keeper, settings.sampler));
  traces->exporter_ = TRY(telemetry::OtlpExporter::Create(keeper, settings, std::move(warn)));
  return traces;
}

telemetry::Tracer& Traces::NewTracer() {
  return tracers_.emplace_back(
      sampler_, [this, alive = std::weak_ptr<const bool>(alive_)](telemetry::SpanData span) {
        keeper_.Post([this, alive, span = std::move(span)]() mutable {
          if (!alive.expired()) exporter_->Take(std::move(span));
        });
      });
}

RequestTrace::RequestTrace(telemetry::Tracer& tracer, const Head& head, std::string_view function)
    : tracer_(tracer) {
  std::optional<telemetry::TraceContext> parent;
  if (const std::string_view* const text = head.Find("traceparent")) {
    const std::string_view* const state = head.Find("tracestate");
    parent = telemetry::ParseTraceparent(*text, state != nullptr ? *state : "");
  }
  whole_ = tracer_.Start(fmt::format("{} /{}", head.method(), function),
                         telemetry::SpanKind::kServer, parent ? &*parent : nullptr);
  whole_.Set("http.request.method", std::string(head.method()));
  whole_.Set("http.route", fmt::format("/{}", function));
  whole_.Set("url.path", std::string(head.target().substr(0, head.target().find('?'))));
  whole_.Set("faas.name", std::string(function));
}

void RequestTrace::BeginRun() {
  run_ = tracer_.Start("run", telemetry::SpanKind::kInternal, &whole_.context());
}

void RequestTrace::End(const RequestReport& report, bool cold) {
  run_.End();
  whole_.Set("http.response.status_code", static_cast<int64_t>(report.status));
  whole_.Set("faas.coldstart", cold);
  whole_.Set("wasmoor.queue_us", Microseconds(report.queued));
  whole_.Set("wasmoor.cpu_us", Microseconds(report.cpu_time));
  whole_.Set("wasmoor.memory_bytes", static_cast<int64_t>(report.memory));
  if (!report.tenant.empty()) whole_.Set("wasmoor.tenant", std::string(report.tenant));
  if (report.status >= kInternal) whole_.Fail(report.problem);
  whole_.End();
}

}  // namespace wasmoor::function
