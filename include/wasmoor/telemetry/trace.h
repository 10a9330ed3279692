#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "wasmoor/base/error.h"

// Traces: what was done for one request by several processes. A span is one piece of that work; who
// asked for it says so by a `traceparent` (W3C Trace Context, sections 3.2 and 3.3). One thread.
namespace wasmoor::telemetry {

// Where in which trace something happens.
struct TraceContext {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> span_id{};
  bool sampled = false;
  std::string state;  // `tracestate`, passed on as it came.
};

// Nothing if `parent` is not of the form that the specification has, in which case it says that a
// new trace begins. A `state` longer than 512 characters is left out.
std::optional<TraceContext> ParseTraceparent(std::string_view parent, std::string_view state = {});
std::string FormatTraceparent(const TraceContext& context);  // Version 00.

// The numbers are those of opentelemetry.proto.trace.v1.
enum class SpanKind : uint8_t { kInternal = 1, kServer = 2, kClient = 3 };
enum class SpanStatus : uint8_t { kUnset = 0, kOk = 1, kError = 2 };
using AttributeValue = std::variant<std::string, int64_t, double, bool>;

// A span that has ended. Its names and texts are of bounded size.
struct SpanData {
  static constexpr size_t kMostAttributes = 64;
  static constexpr size_t kMostText = 1024;  // Bytes of a name, a value or a message.

  std::string name;
  SpanKind kind = SpanKind::kInternal;
  TraceContext context;
  std::optional<std::array<uint8_t, 8>> parent;
  std::chrono::system_clock::time_point start, end;
  std::vector<std::pair<std::string, AttributeValue>> attributes;
  SpanStatus status = SpanStatus::kUnset;
  std::string message;  // Why kError.
};

// Which traces are told of, as OTEL_TRACES_SAMPLER has it.
struct Sampler {
  bool follows_parent = true;  // Where there is one, its flag decides.
  double ratio = 1;            // Of the others: from 0, none, to 1, all; by the trace's id.
  bool Samples(const TraceContext& context, const TraceContext* parent) const;
};

class Tracer;

// A piece of work under way. It ends with End, or when it is destroyed. One that is not sampled
// costs its ids. The tracer outlives it.
class Span {
 public:
  Span() = default;  // Of nothing; everything is without effect.
  Span(Span&&) noexcept = default;
  Span& operator=(Span&& other) noexcept;
  ~Span() { End(); }

  // What others are told as their parent.
  const TraceContext& context() const { return context_; }
  void Set(std::string_view name, AttributeValue value);
  void Fail(const Error& error);  // Status kError, with its message.
  void Fail(std::string_view message);
  void End();

 private:
  friend class Tracer;
  struct Open;
  struct Close {
    void operator()(Open* open) const;
  };
  TraceContext context_;
  std::unique_ptr<Open, Close> open_;  // Null: not sampled, or ended.
};

class Tracer {
 public:
  // `finished` takes each sampled span as it ends.
  Tracer(Sampler sampler, std::function<void(SpanData)> finished)
      : sampler_(sampler), finished_(std::move(finished)) {}
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // A child of `parent`, or the first of a new trace if that is null.
  Span Start(std::string_view name, SpanKind kind, const TraceContext* parent);

 private:
  friend class Span;
  const Sampler sampler_;
  const std::function<void(SpanData)> finished_;
};

}  // namespace wasmoor::telemetry
