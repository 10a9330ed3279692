#include <algorithm>
#include <array>
#include <charconv>

#include "function/http_status.h"
#include "function/request.h"
#include "function/wasmbox_form.h"
#include "wasmoor/program/report.h"

// The response to a request, and what is told of it afterwards.
namespace wasmoor::function {
namespace {

constexpr std::string_view kBrokeOff = "it broke its response off";

void AppendNumber(std::string* text, uint64_t number) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text->append(digits.data(), end);
}

// "queue;dur=0.012" (Server Timing, section 3), without what a general formatter costs.
void AppendMilliseconds(std::string* text, std::string_view name, std::chrono::nanoseconds time) {
  constexpr uint64_t kThousand = 1000;
  const uint64_t micros = static_cast<uint64_t>(std::max<int64_t>(time.count(), 0)) / kThousand;
  text->append(name).append(";dur=");
  AppendNumber(text, micros / kThousand);
  const std::string part = std::to_string(kThousand + micros % kThousand);
  text->append(1, '.').append(part, 1, 3);
}

}  // namespace

// What the guest has written goes on as far as the client takes it.
void Request::Carry() {
  if (!answered_) {
    unsent_ += run_->output().Take();
    if (!AnswerBegin(false)) return;
  }
  while (exchange_->CanWrite()) {
    if (unsent_.empty()) unsent_ = run_->output().Take();
    if (unsent_.empty()) break;
    Write(unsent_);
    unsent_.clear();
  }
  run_->OnNews();
  if (!unsent_.empty() || run_->output().state() == BodyOut::State::kOpen) return;
  told_ = true;
  run_->output().state() == BodyOut::State::kWhole ? exchange_->Finish({}) : exchange_->Abort();
}

bool Request::HasBrokenOff() { return run_->output().state() == BodyOut::State::kBroken; }

// All of its response was passed on before it ended.
void Request::AccountTold() {
  if (HasBrokenOff()) return Account(End::kFailed, kBrokeOff, {});
  Account(End::kOk, {}, {});
}

void Request::Write(std::string_view part) {
  sent_ += part.size();
  exchange_->Write(part);
}

// False: its head is not known yet.
bool Request::AnswerBegin(bool ended) {
  if (function_->kind == Kind::kHttp) {
    const std::optional<ReplyHead> head = run_->TakeHead();
    if (head) AnswerWith(*head);
    return head.has_value();
  }
  auto head = ReadReplyHead(form_, unsent_, ended);
  if (!head) {
    AnswerFailure(End::kFailed, kInternal, head.error().message());
    return true;
  }
  if (!*head) return false;
  AnswerWith(**head);
  if (form_ == Reply::kWasmbox) Write(kWasmBoxPrefix);
  unsent_.erase(0, (*head)->body_at);
  return true;
}

void Request::AnswerWith(const ReplyHead& head) {
  answered_ = true;
  status_ = head.status;
  std::vector<http::Field> fields;
  for (const auto& [name, value] : head.fields) fields.push_back({name, value});
  AddUsage(&fields);
  exchange_->Respond(status_, fields);
}

void Request::AnswerEnd() {
  RunResult& result = run_->result();
  unsent_ += run_->output().Take();
  if (!result.exit) {
    unsigned status = StatusOf(result.exit.error());
    // Of a library it is the request that names the export, and its arguments.
    const bool is_call = function_->kind == Kind::kLibrary || function_->kind == Kind::kBindgen;
    if (status == kTooMany) status = kUnavailable;
    if (status != kUnavailable && !is_call) status = kInternal;
    return AnswerFailure(End::kFailed, status, result.exit.error().message());
  }
  const wasm::Exit& exit = *result.exit;
  if (exit.ok() || function_->kind == Kind::kBindgen) unsent_ += exit.results;
  if (exit.ok()) {
    if (HasBrokenOff()) return AnswerFailure(End::kFailed, kInternal, kBrokeOff);
    if (!exit.results.empty() && function_->kind != Kind::kBindgen) unsent_ += "\n";
    if (!answered_ && !AnswerBegin(true))
      return AnswerFailure(End::kFailed, kBadGateway, "it ended without a response");
    if (accounted_) return;
    Write(unsent_);
    exchange_->Finish({});
    return Account(End::kOk, {}, {});
  }
  if (body_read_ > MostOfBody()) return AnswerFailure(End::kFailed, kTooLarge, BodyTooLarge());
  if (timed_out_) {
    return AnswerFailure(
        End::kTimedOut, kGatewayTimeout,
        fmt::format("it took longer than {} ms, and was ended", allowance_.time.count()));
  }
  std::string hint;
  if (result.usage.memory_refusals > 0) {
    hint = fmt::format(" (it was refused memory beyond its limit of {} MB)",
                       allowance_.memory_bytes >> 20);
  }
  switch (exit.kind) {
    case wasm::Exit::Kind::kExited:
      return AnswerFailure(End::kFailed, kInternal,
                           fmt::format("it exited with status {}{}", exit.code, hint));
    case wasm::Exit::Kind::kTrapped:
      return AnswerFailure(End::kFailed, kInternal,
                           fmt::format("it trapped: {}{}", exit.trap.message, hint),
                           program::TrapText(function_->function, exit.trap));
    default:
      return AnswerFailure(End::kFailed, kInternal,
                           fmt::format("it was ended by signal {}{}", exit.signal, hint));
  }
}

// What it has written until then is not kept back: it may say why.
void Request::AnswerFailure(End end, unsigned status, std::string_view problem,
                            std::string_view backtrace) {
  if (answered_) {
    Write(unsent_);
    exchange_->Abort();
    return Account(end, problem, backtrace);
  }
  answered_ = true;
  status_ = status;
  const std::string sentence = fmt::format("function {}: {}", function_->function, problem);
  std::vector<http::Field> fields = {{"content-type", "text/plain; charset=utf-8"},
                                     {"wasmoor-error", sentence}};
  AddUsage(&fields);
  exchange_->Respond(status, fields);
  Write(unsent_);
  if (unsent_.empty()) Write(sentence + "\n");
  exchange_->Finish({});
  Account(end, problem, backtrace);
}

void Request::Refuse(unsigned status, std::string_view text, std::string_view retry_after) {
  if (answered_) return;
  answered_ = true;
  status_ = status;
  std::vector<http::Field> fields = {{"content-type", "text/plain; charset=utf-8"}};
  if (!retry_after.empty()) fields.push_back({"retry-after", retry_after});
  exchange_->Respond(status, fields);
  Write(text);
  Write("\n");
  exchange_->Finish({});
  const End end = status == kGatewayTimeout ? End::kTimedOut : End::kRefused;
  Account(end, text, {});
}

void Request::RefuseFor(const Error& error) { Refuse(StatusOf(error), error.message()); }

// What it took, as far as that is known before the body is sent.
void Request::AddUsage(std::vector<http::Field>* fields) {
  const Serving& serving = front_.common().serving();
  const RunResult& result = run_->result();
  if (form_ == Reply::kWasmbox) {
    const auto execution = ended_ ? result.wall_time : Clock::now() - began_;
    wasmbox_fields_ = WasmboxFields(execution, front_.requests(), serving.pod);
    for (const auto& [name, value] : wasmbox_fields_) fields->push_back({name, value});
  }
  if (!serving.tells_usage) return;
  const auto queued = began_ - came_;
  usage_text_.clear();
  AppendMilliseconds(&usage_text_, "queue", queued);
  const size_t timing = usage_text_.size();
  size_t memory = timing;
  if (ended_) {
    AppendMilliseconds(&usage_text_, ", cpu", result.cpu_time);
    AppendMilliseconds(&usage_text_, ", run", result.wall_time);
    memory = usage_text_.size();
    AppendNumber(&usage_text_, result.usage.memory_bytes);
  }
  const std::string_view text = usage_text_;
  fields->push_back({"server-timing", text.substr(0, ended_ ? memory : timing)});
  if (ended_) fields->push_back({"wasmoor-memory", text.substr(memory)});
  fields->push_back({"wasmoor-start", cold_ ? "cold" : "warm"});
}

void Request::Account(End end, std::string_view problem, std::string_view backtrace) {
  if (accounted_) return;
  accounted_ = true;
  const auto now = Clock::now();
  Front::Named& entry = entry_ != nullptr ? *entry_ : front_.At({});
  Numbers& numbers = entry.second.numbers;
  front_.Changed(entry);
  ++numbers.ends[static_cast<size_t>(end)];
  const auto duration = now - came_;
  numbers.Observe(duration);
  const auto queued = (began_ == Clock::time_point() ? now : began_) - came_;
  numbers.queued += queued;
  numbers.cold += cold_ ? 1 : 0;
  numbers.aside += aside_ ? 1 : 0;
  numbers.bytes_in += body_read_;
  numbers.bytes_out += sent_;
  RequestReport report{.method = head_.method(),
                       .target = head_.target(),
                       .function = function_ != nullptr ? function_->function : std::string_view(),
                       .tenant = function_ != nullptr ? function_->tenant : std::string_view(),
                       .status = status_,
                       .end = end,
                       .duration = duration,
                       .queued = queued,
                       .bytes_in = body_read_,
                       .bytes_out = sent_,
                       .problem = problem,
                       .backtrace = backtrace};
  if (run_ && ended_) {
    const RunResult& result = run_->result();
    numbers.cpu_time += result.cpu_time;
    numbers.memory_refusals += result.usage.memory_refusals;
    numbers.most_memory = std::max(numbers.most_memory, result.usage.memory_bytes);
    report.cpu_time = result.cpu_time;
    report.memory = result.usage.memory_bytes;
  }
  if (trace_) trace_->End(report, cold_);
  if (!front_.common().WantsReports(end)) return;
  const std::string_view* const parent = head_.Find("traceparent");
  if (parent != nullptr) report.traceparent = *parent;
  front_.common().Report(report);
}

}  // namespace wasmoor::function
