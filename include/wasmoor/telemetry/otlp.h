#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/telemetry/trace.h"

namespace wasmoor::telemetry {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// How spans get to a collector: OTLP over HTTP, the messages as JSON (opentelemetry.io/docs/specs/
// otlp, "OTLP/HTTP"). Texts that come from outside are not checked here, but by the exporter.
struct OtlpSettings {
  std::string endpoint;  // "http://127.0.0.1:4318/v1/traces", whole.
  Pairs headers;         // Sent with every request; may be secrets.
  Pairs resource;        // What the process is: "service.name" …
  Sampler sampler;
  size_t most_waiting = 2048;                 // Spans; what does not fit is dropped.
  size_t batch = 512;                         // As many at once;
  std::chrono::milliseconds delay{5000};      // or what there is after so long.
  std::chrono::milliseconds timeout{10'000};  // Of one request.
  // Before a request is tried again: this, then twice as much, up to 30 s; or what the collector
  // says (Retry-After). After so many tries its spans are dropped.
  std::chrono::milliseconds first_pause{1000};
  int most_tries = 8;
};

// What the environment says, as OpenTelemetry's specification has it ("Environment Variable
// Specification", "OpenTelemetry Protocol Exporter"): OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS,
// _TIMEOUT, _PROTOCOL and their _TRACES_ forms, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_TRACES_SAMPLER and _ARG, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED, OTEL_BSP_*. Nothing where
// no endpoint is named: traces are off unless somebody asks for them. What cannot be meant so is
// said to `warn`, a line each, and left out. `get` is getenv(3); `service` is what the process is
// called if the environment does not say.
std::optional<OtlpSettings> ReadOtlpEnvironment(std::string_view service,
                                                const std::function<const char*(const char*)>& get,
                                                const std::function<void(std::string_view)>& warn);

// Sends spans to a collector, on one connection that is kept. Loop thread only, which it never
// holds up: the collector is an IP address, "localhost", or a name that /etc/hosts has; no name
// server is asked. What the collector cannot take yet (429, 502, 503, 504), and what was lost with
// its connection, is sent again; so a span may arrive twice. Destroying it drops what waits.
class OtlpExporter {
 public:
  struct Counts {
    uint64_t sent = 0;
    uint64_t dropped = 0;  // No room for them, or refused by the collector.
    size_t waiting = 0;
  };

  // kInvalidArgument: the endpoint is none, or https, or a header cannot be sent. `warn` hears when
  // the collector is lost, and when it is back; a line each.
  static Result<std::unique_ptr<OtlpExporter>> Create(loop::Loop& loop, OtlpSettings settings,
                                                      std::function<void(std::string_view)> warn);
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;
  ~OtlpExporter();

  void Take(SpanData span);
  // Sends what waits without waiting for more, and calls `done` once from the loop: when all is
  // told, or dropped, or `patience` is over. Before the process ends.
  void Flush(std::chrono::milliseconds patience, std::function<void()> done);

  Counts counts() const;

 private:
  class Parts;
  explicit OtlpExporter(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::telemetry
