#include "wasmoor/telemetry/trace.h"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "telemetry/hex.h"
#include "wasmoor/base/check.h"

namespace wasmoor::telemetry {
namespace {

constexpr size_t kTraceAt = 3, kSpanAt = 36, kFlagsAt = 53, kLength = 55;
constexpr size_t kMostState = 512;  // Section 3.3.1.5 of Trace Context wants as much passed on.
constexpr uint8_t kSampled = 1;

void FillRandomly(std::span<uint8_t> id) {
  // Never all zeros, which would mean that there is none. The calls are of at most 256 bytes, which
  // are never interrupted (getrandom(2)).
  do {
    CHECK(::getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  } while (std::all_of(id.begin(), id.end(), [](uint8_t byte) { return byte == 0; }));
}

bool ReadId(std::string_view text, std::span<uint8_t> id) {
  return FromHex(text, id) &&
         std::any_of(id.begin(), id.end(), [](uint8_t byte) { return byte != 0; });
}

std::string Cut(std::string_view text) { return std::string(text.substr(0, SpanData::kMostText)); }

}  // namespace

std::string ToHex(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text;
}

bool FromHex(std::string_view text, std::span<uint8_t> bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

std::optional<TraceContext> ParseTraceparent(std::string_view parent, std::string_view state) {
  if (parent.size() < kLength) return std::nullopt;
  std::array<uint8_t, 1> version, flags;
  TraceContext context;
  constexpr uint8_t kNoVersion = 0xff;
  const bool is_whole =
      FromHex(parent.substr(0, 2), version) && version[0] != kNoVersion &&
      parent[kTraceAt - 1] == '-' && parent[kSpanAt - 1] == '-' && parent[kFlagsAt - 1] == '-' &&
      ReadId(parent.substr(kTraceAt, 2 * context.trace_id.size()), context.trace_id) &&
      ReadId(parent.substr(kSpanAt, 2 * context.span_id.size()), context.span_id) &&
      FromHex(parent.substr(kFlagsAt, 2), flags);
  if (!is_whole) return std::nullopt;
  // A later version may have more, behind a dash.
  if (parent.size() > kLength && (version[0] == 0 || parent[kLength] != '-')) return std::nullopt;
  context.sampled = (flags[0] & kSampled) != 0;
  if (state.size() <= kMostState) context.state = state;
  return context;
}

std::string FormatTraceparent(const TraceContext& context) {
  return "00-" + ToHex(context.trace_id) + "-" + ToHex(context.span_id) +
         (context.sampled ? "-01" : "-00");
}

bool Sampler::Samples(const TraceContext& context, const TraceContext* parent) const {
  if (follows_parent && parent != nullptr) return parent->sampled;
  // The last seven bytes are random (Trace Context, level 2), and every process that has the same
  // ratio decides alike by them.
  constexpr size_t kFixed = 9;
  constexpr double kRange = 1LL << 56;
  uint64_t random = 0;
  for (size_t i = kFixed; i < context.trace_id.size(); ++i)
    random = random << 8 | context.trace_id[i];
  return static_cast<double>(random) >= (1 - ratio) * kRange;
}

struct Span::Open {
  const Tracer& tracer;
  std::chrono::steady_clock::time_point started;
  SpanData data;
};

void Span::Close::operator()(Open* open) const { delete open; }

Span& Span::operator=(Span&& other) noexcept {
  End();
  context_ = std::move(other.context_);
  open_ = std::move(other.open_);
  return *this;
}

void Span::Set(std::string_view name, AttributeValue value) {
  if (open_ == nullptr || open_->data.attributes.size() >= SpanData::kMostAttributes) return;
  if (auto* text = std::get_if<std::string>(&value);
      text != nullptr && text->size() > SpanData::kMostText)
    text->resize(SpanData::kMostText);
  open_->data.attributes.emplace_back(Cut(name), std::move(value));
}

void Span::Fail(const Error& error) { Fail(error.message()); }

void Span::Fail(std::string_view message) {
  if (open_ == nullptr) return;
  open_->data.status = SpanStatus::kError;
  open_->data.message = Cut(message);
}

void Span::End() {
  if (open_ == nullptr) return;
  const std::unique_ptr<Open, Close> open = std::move(open_);
  // The clock of the day may be set while the work goes on.
  open->data.end =
      open->data.start + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                             std::chrono::steady_clock::now() - open->started);
  open->tracer.finished_(std::move(open->data));
}

Span Tracer::Start(std::string_view name, SpanKind kind, const TraceContext* parent) {
  Span span;
  TraceContext& context = span.context_;
  if (parent != nullptr) {
    context = *parent;
  } else {
    FillRandomly(context.trace_id);
  }
  FillRandomly(context.span_id);
  context.sampled = sampler_.Samples(context, parent);
  if (!context.sampled) return span;
  span.open_.reset(new Span::Open{*this, std::chrono::steady_clock::now(), {}});
  SpanData& data = span.open_->data;
  data.name = Cut(name);
  data.kind = kind;
  data.context = context;
  data.start = std::chrono::system_clock::now();
  if (parent != nullptr) data.parent = parent->span_id;
  return span;
}

}  // namespace wasmoor::telemetry
