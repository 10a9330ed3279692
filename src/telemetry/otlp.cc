#include "wasmoor/telemetry/otlp.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <utility>

#include "telemetry/http_client.h"
#include "telemetry/otlp_message.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::telemetry {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMostPause{30'000};
constexpr int kMostDoublings = 16;
constexpr milliseconds kMostRetryAfter{60'000};  // Whatever a collector asks for.
constexpr unsigned kFirstOk = 200, kFirstRedirect = 300;

// OTLP/HTTP, "Failures": what the same request may be sent again after.
bool MayBeTriedAgain(unsigned status) {
  constexpr unsigned kTooMany = 429, kBadGateway = 502, kUnavailable = 503, kTimeout = 504;
  return status == kTooMany || status == kBadGateway || status == kUnavailable ||
         status == kTimeout;
}

// RFC 9110, section 5.6.2.
bool IsToken(std::string_view name) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool IsFieldValue(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f;
  });
}

Result<std::string> FieldLines(const Pairs& headers) {
  std::string lines =
      "content-type: application/json\r\nuser-agent: wasmoor/" WASMOOR_VERSION "\r\n";
  for (const auto& [name, value] : headers) {
    // Its value may be a secret, and is not repeated.
    if (!IsToken(name) || !IsFieldValue(value))
      return Fail(Code::kInvalidArgument,
                  "OTEL_EXPORTER_OTLP_HEADERS: '{}' cannot be sent: the name, or a character of "
                  "its value, cannot stand in a header",
                  Printable(name));
    lines += fmt::format("{}: {}\r\n", name, value);
  }
  return lines;
}

}  // namespace

class OtlpExporter::Parts {
 public:
  Parts(loop::Loop& loop, OtlpSettings settings, Endpoint endpoint, std::string fields,
        std::function<void(std::string_view)> warn)
      : loop_(loop),
        settings_(std::move(settings)),
        warn_(std::move(warn)),
        client_(loop, std::move(endpoint), std::move(fields)) {}

  void Take(SpanData span);
  void Flush(milliseconds patience, std::function<void()> done);
  Counts counts() const {
    return {.sent = sent_, .dropped = dropped_, .waiting = waiting_.size() + under_way_};
  }

 private:
  void Next();
  void SendBatch();
  void Post();
  void OnAnswer(Result<Response> answer);
  void OnTaken(const Response& response);
  void GiveUp(std::string_view why);
  void Say(std::string_view line) {
    if (warn_) warn_(line);
  }
  void EndFlush();

  loop::Loop& loop_;
  const OtlpSettings settings_;
  const std::function<void(std::string_view)> warn_;
  std::deque<SpanData> waiting_;
  std::string body_;      // Of the request under way, or that is to be sent again.
  size_t under_way_ = 0;  // Spans in it.
  int tries_ = 0;
  bool failing_ = false;  // The operator has heard of it.
  bool dropping_ = false;
  uint64_t sent_ = 0, dropped_ = 0;
  std::function<void()> flushed_;
  loop::Timer due_, again_, patience_;
  HttpClient client_;
};

void OtlpExporter::Parts::Take(SpanData span) {
  if (waiting_.size() + under_way_ >= settings_.most_waiting) {
    ++dropped_;
    if (!std::exchange(dropping_, true))
      Say(fmt::format("traces: {} spans wait for {}, and further ones are dropped",
                      settings_.most_waiting, settings_.endpoint));
    return;
  }
  waiting_.push_back(std::move(span));
  Next();
}

// Sends a batch if there is reason to, or sees that there will be.
void OtlpExporter::Parts::Next() {
  if (under_way_ > 0) return;
  if (waiting_.empty()) return EndFlush();
  if (waiting_.size() >= settings_.batch || flushed_ != nullptr) return SendBatch();
  if (!due_.pending()) due_ = loop_.After(settings_.delay, [this] { SendBatch(); });
}

void OtlpExporter::Parts::SendBatch() {
  due_ = loop::Timer();
  under_way_ = std::min(waiting_.size(), settings_.batch);
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(under_way_);
  const std::vector<SpanData> spans(std::make_move_iterator(waiting_.begin()),
                                    std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  body_ = TraceRequest(settings_.resource, spans);
  tries_ = 0;
  Post();
}

void OtlpExporter::Parts::Post() {
  ++tries_;
  client_.Post(body_, settings_.timeout,
               [this](Result<Response> answer) { OnAnswer(std::move(answer)); });
}

void OtlpExporter::Parts::OnAnswer(Result<Response> answer) {
  if (answer && answer->status >= kFirstOk && answer->status < kFirstRedirect)
    return OnTaken(*answer);
  const bool is_lost = !answer && (answer.error().code() == Code::kUnavailable ||
                                   answer.error().code() == Code::kDeadlineExceeded ||
                                   answer.error().code() == Code::kNotFound);
  const std::string why = answer ? fmt::format("{} answers {}", settings_.endpoint, answer->status)
                                 : answer.error().message();
  const bool may_again = is_lost || (answer && MayBeTriedAgain(answer->status));
  if (!may_again || tries_ >= settings_.most_tries) return GiveUp(why);
  if (!std::exchange(failing_, true))
    Say(fmt::format("traces: spans are not taken, and are sent again: {}", why));
  const milliseconds pause =
      answer && answer->retry_after
          ? std::min<milliseconds>(*answer->retry_after, kMostRetryAfter)
          : std::min<milliseconds>(
                settings_.first_pause * (1LL << std::min(tries_ - 1, kMostDoublings)), kMostPause);
  again_ = loop_.After(pause, [this] { Post(); });
}

void OtlpExporter::Parts::OnTaken(const Response& response) {
  const Refused refused = ReadTraceResponse(response.body);
  const uint64_t lost = std::min<uint64_t>(refused.spans, under_way_);
  sent_ += under_way_ - lost;
  dropped_ += lost;
  if (lost > 0)
    Say(fmt::format("traces: {} refuses {} spans: {}", settings_.endpoint, lost,
                    Printable(refused.message)));
  if (std::exchange(failing_, false))
    Say(fmt::format("traces: {} takes spans again", settings_.endpoint));
  dropping_ = false;
  under_way_ = 0;
  body_ = std::string();
  Next();
}

void OtlpExporter::Parts::GiveUp(std::string_view why) {
  dropped_ += under_way_;
  if (!std::exchange(failing_, true) || tries_ >= settings_.most_tries)
    Say(fmt::format("traces: {} spans are dropped after {} tries: {}", under_way_, tries_, why));
  under_way_ = 0;
  body_ = std::string();
  Next();
}

void OtlpExporter::Parts::Flush(milliseconds patience, std::function<void()> done) {
  flushed_ = std::move(done);
  patience_ = loop_.After(patience, [this] { EndFlush(); });
  // Answered from the loop, also where nothing waits.
  due_ = loop_.After(std::chrono::nanoseconds(0), [this] { Next(); });
}

void OtlpExporter::Parts::EndFlush() {
  patience_ = loop::Timer();
  if (const auto done = std::exchange(flushed_, nullptr); done != nullptr) done();
}

OtlpExporter::OtlpExporter(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
OtlpExporter::~OtlpExporter() = default;

Result<std::unique_ptr<OtlpExporter>> OtlpExporter::Create(
    loop::Loop& loop, OtlpSettings settings, std::function<void(std::string_view)> warn) {
  Endpoint endpoint = TRY_AS(ParseEndpoint(settings.endpoint), "traces");
  std::string fields = TRY_AS(FieldLines(settings.headers), "traces");
  return std::unique_ptr<OtlpExporter>(new OtlpExporter(std::make_unique<Parts>(
      loop, std::move(settings), std::move(endpoint), std::move(fields), std::move(warn))));
}

void OtlpExporter::Take(SpanData span) { parts_->Take(std::move(span)); }

void OtlpExporter::Flush(milliseconds patience, std::function<void()> done) {
  parts_->Flush(patience, std::move(done));
}

OtlpExporter::Counts OtlpExporter::counts() const { return parts_->counts(); }

}  // namespace wasmoor::telemetry
