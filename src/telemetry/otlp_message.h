#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "wasmoor/telemetry/otlp.h"
#include "wasmoor/telemetry/trace.h"

namespace wasmoor::telemetry {

// An ExportTraceServiceRequest (opentelemetry-proto, collector/trace/v1), in protobuf's JSON with
// OTLP's exception: ids are hexadecimal.
std::string TraceRequest(const Pairs& resource, std::span<const SpanData> spans);

// How many spans an ExportTraceServiceResponse says were refused, and why; what is none says
// nothing.
struct Refused {
  uint64_t spans = 0;
  std::string message;
};
Refused ReadTraceResponse(std::string_view body);

}  // namespace wasmoor::telemetry
