#include "function/request.h"

#include <array>
#include <charconv>
#include <csignal>

#include "function/command_run.h"
#include "function/component_run.h"
#include "function/wasmbox_form.h"
#include "wasmoor/program/report.h"

namespace wasmoor::function {
namespace {

constexpr unsigned kBadRequest = 400, kNotFound = 404, kTooLarge = 413, kTooMany = 429,
                   kInternal = 500, kBadGateway = 502, kUnavailable = 503, kGatewayTimeout = 504;
constexpr std::string_view kWasmSuffix = ".wasm";
constexpr int kEndSignal = SIGKILL;

unsigned StatusOf(const Error& error) {
  switch (error.code()) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange: return kBadRequest;
    case Code::kNotFound: return kNotFound;
    case Code::kResourceExhausted: return kTooMany;
    case Code::kUnavailable:
    case Code::kFailedPrecondition: return kUnavailable;
    case Code::kDeadlineExceeded: return kGatewayTimeout;
    default: return kInternal;
  }
}

std::string_view WithoutSuffix(std::string_view segment) {
  if (segment.size() > kWasmSuffix.size() && segment.ends_with(kWasmSuffix))
    segment.remove_suffix(kWasmSuffix.size());
  return segment;
}

// A function may be in the directory itself, or in one of a tenant's.
std::string NameOf(const Target& target, size_t segments) {
  std::string name;
  for (size_t i = 0; i + 1 < segments; ++i) name += target.segments[i] + "/";
  name += WithoutSuffix(target.segments[segments - 1]);
  return name;
}

Allowance UsualAllowance(const Allowance& usual, const Manifest& manifest) {
  Allowance own = usual;
  own.millicores = manifest.limits.cpu_millicores.value_or(usual.millicores);
  own.memory_bytes = manifest.limits.memory_bytes.value_or(usual.memory_bytes);
  own.time = manifest.limits.timeout.value_or(usual.time);
  return own;
}

constexpr size_t kMostSegments = 2;  // Of a function's name: its tenant, and itself.

size_t SegmentsOf(std::string_view name) { return name.find('/') == name.npos ? 1 : 2; }

void AppendMilliseconds(std::string* text, std::string_view name, std::chrono::nanoseconds time) {
  constexpr int64_t kMicrosecond = 1000;
  fmt::format_to(std::back_inserter(*text), "{};dur={}.{:03}", name,
                 time.count() / kMicrosecond / kMicrosecond,
                 time.count() / kMicrosecond % kMicrosecond);
}

}  // namespace

Request::Request(Front& front, const http::Head& head, http::Exchange& exchange)
    : front_(front), exchange_(&exchange), head_(head) {
  ++front_.requests_;
}

Request::~Request() {
  if (!accounted_) Account(End::kAbandoned, {}, {});
  --front_.requests_;
}

// ---- On its way to its guest.

void Request::Start() {
  auto target = ParseTarget(head_.target());
  if (!target) return Refuse(kBadRequest, target.error().message());
  target_ = *std::move(target);
  if (target_.segments.front().empty())
    return Refuse(kNotFound, "a request names a function: /NAME or /TENANT/NAME");
  if (!FindHere()) Look();
}

bool Request::FindHere() {
  for (size_t segments = 1; segments <= std::min(kMostSegments, target_.segments.size());
       ++segments) {
    Front::Named* const entry = segments == 1 ? front_.Find(WithoutSuffix(target_.segments[0]))
                                              : front_.Find(NameOf(target_, segments));
    if (entry == nullptr || entry->second.ready == nullptr) continue;
    Use(*entry, segments);
    return true;
  }
  return false;
}

void Request::Look() {
  cold_ = true;
  std::vector<std::string> names;
  for (size_t segments = 1; segments <= std::min(kMostSegments, target_.segments.size());
       ++segments)
    names.push_back(NameOf(target_, segments));
  SetDeadline();
  front_.common().Look(front_.station(), std::move(names),
                       [weak = weak_from_this()](Result<Served> found) {
                         const std::shared_ptr<Request> self = weak.lock();
                         if (self == nullptr || self->exchange_ == nullptr) return;
                         if (!found) {
                           self->RefuseFor(found.error());
                         } else {
                           const std::string name = found->ready->function;
                           self->front_.Set(name, *std::move(found));
                           self->Use(self->front_.At(name), SegmentsOf(name));
                         }
                         self->Flush();
                       });
}

void Request::Use(Front::Named& entry, size_t named) {
  if (answered_) return;
  entry_ = &entry;
  function_ = entry.second.ready;
  named_ = named;
  front_.common().Touch(*function_);
  const Serving& serving = front_.common().serving();
  form_ = function_->manifest->reply == Reply::kAuto ? serving.reply : function_->manifest->reply;
  auto allowance =
      ReadAllowance(head_, UsualAllowance(serving.usual, *function_->manifest), serving.most);
  if (!allowance) return RefuseFor(allowance.error());
  allowance_ = *allowance;
  // It may have waited for the function, with the usual time.
  if (deadline_.pending()) {
    deadline_ = loop::Timer();
    SetDeadline();
  }
  if (!head_.has_body()) {
    body_over_ = true;
    return Ask();
  }
  exchange_->ReadBody();
}

void Request::OnBody(std::string_view part) {
  body_read_ += part.size();
  const uint64_t most =
      function_->manifest->limits.body_bytes.value_or(front_.common().serving().body_bytes);
  if (body_read_ > most) {
    if (run_) OnBodyBroken();
    return answered_ || run_ ? void() : Refuse(kTooLarge, "the body is larger than may be sent");
  }
  if (run_) {
    if (run_->input().Put(part)) exchange_->ReadBody();
    return run_->OnNews();
  }
  body_ += part;
  if (body_.size() < BodyIn::kMostAhead) return exchange_->ReadBody();
  if (!ticket_) Ask();
}

void Request::OnBodyEnd() {
  body_over_ = true;
  if (run_) {
    run_->input().End();
    return run_->OnNews();
  }
  if (!ticket_ && !answered_) Ask();
}

void Request::OnBodyBroken() {
  body_broken_ = true;
  if (!run_) return;
  run_->input().Break();
  run_->OnNews();
}

void Request::Ask() {
  ticket_.emplace(
      *entry_->second.tenant,
      function::Ask{.millicores = allowance_.millicores, .memory_bytes = allowance_.memory_bytes},
      static_cast<Waiter&>(*this));
  const Verdict verdict = front_.common().admission().Enter(*ticket_);
  switch (verdict.outcome) {
    case Outcome::kAdmitted: return Begin();
    case Outcome::kQueued: return SetDeadline();
    case Outcome::kRefusedFull:
    case Outcome::kNeverFits: return Turn(verdict);
  }
}

void Request::OnAdmitted() {
  front_.loop().Post([weak = weak_from_this()] {
    const std::shared_ptr<Request> self = weak.lock();
    if (self == nullptr || self->exchange_ == nullptr || self->answered_) return;
    self->Begin();
  });
}

void Request::OnRefused(const Verdict& verdict) {
  front_.loop().Post([weak = weak_from_this(), verdict] {
    const std::shared_ptr<Request> self = weak.lock();
    if (self == nullptr || self->exchange_ == nullptr || self->answered_) return;
    self->Turn(verdict);
    self->Flush();
  });
}

void Request::Turn(const Verdict& verdict) {
  if (verdict.outcome == Outcome::kRefusedFull) {
    return Refuse(kTooMany, "too much is waiting already; try again later",
                  std::to_string(verdict.retry_after.count()));
  }
  const std::string_view what = verdict.lacking == Resource::kCpu      ? "millicores"
                                : verdict.lacking == Resource::kMemory ? "bytes of memory"
                                                                       : "places";
  Refuse(kBadRequest, fmt::format("it asks for more {} than the {} that there are in all", what,
                                  verdict.capacity));
}

std::vector<std::string> Request::Arguments() const {
  std::vector<std::string> arguments;
  std::string script;
  for (size_t i = 0; i < named_; ++i) script += "/" + target_.segments[i];
  arguments.push_back(std::move(script));
  const auto& own = function_->manifest->arguments;
  arguments.insert(arguments.end(), own.begin(), own.end());
  if (target_.query.empty()) return arguments;
  auto more = QueryArguments(target_.query);
  arguments.insert(arguments.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  return arguments;
}

void Request::Begin() {
  began_ = Clock::now();
  run_ = MakeRun();
  if (form_ == Reply::kWasmbox && body_over_) {
    if (auto parameter = WasmboxParameter(body_)) body_ = *std::move(parameter);
  }
  if (body_over_) body_size_ = std::to_string(body_.size());
  bool more = true;
  if (!body_.empty()) more = run_->input().Put(body_);
  if (body_over_) run_->input().End();
  if (body_broken_) run_->input().Break();
  body_ = {};
  if (!body_over_ && more) exchange_->ReadBody();
  self_ = shared_from_this();
  if (function_->granted->preopens.empty()) return run_->Begin();
  front_.common().BeginApart(front_.station(), *run_, function_);
}

std::shared_ptr<Run> Request::MakeRun() {
  Run::Listener& listener = *this;
  if (entry_->second.handler == nullptr) {
    CommandPlan plan{.module = *function_->module,
                     .host = front_.common().host(),
                     .allowance = allowance_,
                     .arguments = Arguments(),
                     .invocation = {.function = function_->manifest->entry},
                     .environment = this,
                     .granted = function_->granted.get()};
    return std::make_shared<CommandRun>(std::move(plan), front_.station(), listener);
  }
  ComponentRun::Plan plan{.handler = entry_->second.handler,
                          .allowance = allowance_,
                          .method = head_.method(),
                          .target = target_.Below(named_),
                          .fields = {},
                          .has_body = head_.has_body()};
  for (const http::Field& field : head_.fields()) plan.fields.push_back({field.name, field.value});
  // HTTP/1.0 need not say whom it asks, and a guest must be told.
  if (head_.Find("host") == nullptr) plan.fields.push_back({"host", "localhost"});
  plan.fields.push_back({"x-forwarded-prefix", target_.path.substr(0, target_.PrefixSize(named_))});
  return std::make_shared<ComponentRun>(std::move(plan), front_.station(), listener);
}

// ---- Of its guest.

void Request::AddTo(Variables* environment) {
  for (const auto& variable : function_->granted->environment) environment->push_back(variable);
  AddCgiVariables({.head = head_,
                   .target = target_,
                   .named = named_,
                   .body_size = body_size_,
                   .remote = {},
                   .server_port = front_.common().serving().port},
                  environment);
}

void Request::OnAside() {
  front_.loop().Post([self = shared_from_this()] {
    self->aside_ = true;
    if (self->ended_) return;
    self->SetDeadline();
    self->StreamSoon();
  });
}

// Until then an end of another kind than it seems to come to can still be told by a status.
void Request::StreamSoon() {
  constexpr std::chrono::seconds kWhole{1};
  streaming_ = front_.loop().After(kWhole, [weak = weak_from_this()] {
    const std::shared_ptr<Request> self = weak.lock();
    if (self != nullptr && !self->ended_) self->run_->output().Stream();
  });
}

void Request::OnOutput() {
  front_.loop().Post([weak = weak_from_this()] {
    const std::shared_ptr<Request> self = weak.lock();
    if (self == nullptr || self->exchange_ == nullptr || self->ended_) return;
    self->Carry();
    self->Flush();
  });
}

void Request::OnWanted() {
  front_.loop().Post([weak = weak_from_this()] {
    const std::shared_ptr<Request> self = weak.lock();
    if (self == nullptr || self->exchange_ == nullptr || self->ended_ || self->body_over_) return;
    self->exchange_->ReadBody();
    self->Flush();
  });
}

void Request::OnError(std::string_view lines) { front_.common().Say(function_->function, lines); }

void Request::Ended() {
  const std::shared_ptr<Request> self = std::move(self_);
  ended_ = true;
  front_.common().admission().Leave(*ticket_);
  if (exchange_ == nullptr) {
    if (told_) Account(End::kOk, {}, {});
    return;
  }
  if (told_) {
    Account(End::kOk, {}, {});
  } else {
    AnswerEnd();
  }
  Flush();
}

// ---- The response.

void Request::OnWritable() {
  if (exchange_ != nullptr && run_ && !ended_) Carry();
}

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
    const unsigned status = StatusOf(result.exit.error());
    return AnswerFailure(End::kFailed, status == kTooMany ? kUnavailable : kInternal,
                         result.exit.error().message());
  }
  const wasm::Exit& exit = *result.exit;
  if (exit.ok()) {
    if (!exit.results.empty()) unsent_ += exit.results + "\n";
    if (!answered_ && !AnswerBegin(true))
      return AnswerFailure(End::kFailed, kBadGateway, "it ended without a response");
    if (accounted_) return;
    Write(unsent_);
    exchange_->Finish({});
    return Account(End::kOk, {}, {});
  }
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
void Request::AnswerFailure(End end, unsigned status, std::string problem, std::string backtrace) {
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
    fmt::format_to(std::back_inserter(usage_text_), "{}", result.usage.memory_bytes);
  }
  const std::string_view text = usage_text_;
  fields->push_back({"server-timing", text.substr(0, ended_ ? memory : timing)});
  if (ended_) fields->push_back({"wasmoor-memory", text.substr(memory)});
  fields->push_back({"wasmoor-start", cold_ ? "cold" : "warm"});
}

void Request::Flush() {
  // Destroys the work, and with it this one's exchange, if that is over.
  if (exchange_ != nullptr) exchange_->Flush();
}

void Request::SetDeadline() {
  if (deadline_.pending()) return;
  deadline_ =
      front_.loop().After(came_ + allowance_.time - Clock::now(), [weak = weak_from_this()] {
        if (const std::shared_ptr<Request> self = weak.lock()) self->TimeOut();
      });
}

void Request::TimeOut() {
  if (ended_) return;
  timed_out_ = true;
  if (run_) {
    if (!run_->TakeBack()) return run_->Stop(kEndSignal);
    const std::shared_ptr<Request> self = std::move(self_);
  }
  if (ticket_) front_.common().admission().Leave(*ticket_);
  if (exchange_ == nullptr) return;
  Refuse(kGatewayTimeout, fmt::format("it waited for longer than {} ms", allowance_.time.count()));
  Flush();
}

void Request::Leave() {
  exchange_ = nullptr;
  if (!run_) {
    if (ticket_) front_.common().admission().Leave(*ticket_);
    return;
  }
  if (ended_) return;
  if (told_) return SetDeadline();  // It may go on until then.
  run_->output().Close();
  run_->input().Break();
  if (run_->TakeBack()) {
    front_.common().admission().Leave(*ticket_);
    const std::shared_ptr<Request> self = std::move(self_);
    return;
  }
  run_->Stop(kEndSignal);
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
  if (front_.common().WantsReports(end)) front_.common().Report(report);
}

}  // namespace wasmoor::function
