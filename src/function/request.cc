#include "function/request.h"

#include <array>
#include <charconv>
#include <csignal>

#include "function/command_run.h"
#include "function/component_run.h"
#include "function/http_status.h"
#include "function/wasmbox_form.h"
#include "function/workers.h"

#include "wasmoor/base/ascii.h"

namespace wasmoor::function {
namespace {

constexpr std::string_view kWasmSuffix = ".wasm";
constexpr int kEndSignal = SIGKILL;
// Its guest's parent is the span of its run, and not what the client named.
constexpr const char* kTraceparent = "traceparent";
constexpr const char* kTraceVariable = "HTTP_TRACEPARENT";
constexpr size_t kMostWhole = 1 << 20;

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
                           self->Refuse(StatusOfMissing(found.error()), found.error().message());
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
  if (front_.tracer() != nullptr) trace_.emplace(*front_.tracer(), head_, function_->function);
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
  const std::string_view* const length = head_.Find("content-length");
  uint64_t bytes = 0;
  if (length != nullptr) std::from_chars(length->data(), length->data() + length->size(), bytes);
  if (bytes > MostOfBody()) return Refuse(kTooLarge, BodyTooLarge());
  SetDeadline();
  exchange_->ReadBody();
}

uint64_t Request::MostOfBody() const {
  return function_->manifest->limits.body_bytes.value_or(front_.common().serving().body_bytes);
}

std::string Request::BodyTooLarge() const {
  return fmt::format("the body is larger than the {} bytes that it may have", MostOfBody());
}

void Request::OnBody(std::string_view part) {
  body_read_ += part.size();
  if (body_read_ > MostOfBody()) {
    // A guest that runs already is told that it broke off.
    if (run_) OnBodyBroken();
    return run_ ? void() : Refuse(kTooLarge, BodyTooLarge());
  }
  if (run_) {
    if (run_->input().Put(part)) exchange_->ReadBody();
    return run_->OnNews();
  }
  body_ += part;
  if (takes_whole_body() && body_.size() > kMostWhole) {
    return Refuse(kTooLarge, fmt::format("the body of a call of bindgen is held in memory, and may "
                                         "have {} bytes",
                                         kMostWhole));
  }
  if (takes_whole_body() || body_.size() < BodyIn::kMostAhead) return exchange_->ReadBody();
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

bool Request::WaitsForTurn() {
  Workers* const workers = front_.common().WorkersFor(*function_);
  if (waits_for_turn_ || workers == nullptr) return waits_for_turn_;
  waits_for_turn_ = !workers->HasTurn(function_, front_.station(), [weak = weak_from_this()] {
    const std::shared_ptr<Request> self = weak.lock();
    if (self == nullptr || self->exchange_ == nullptr || self->answered_) return;
    self->waits_for_turn_ = false;
    self->Ask();
    self->Flush();
  });
  return waits_for_turn_;
}

void Request::Ask() {
  if (WaitsForTurn()) return SetDeadline();
  ticket_.emplace(
      *entry_->second.tenant,
      function::Ask{.millicores = allowance_.millicores, .memory_bytes = allowance_.memory_bytes},
      static_cast<Waiter&>(*this));
  const Verdict verdict = front_.common().admission().Enter(*ticket_);
  switch (verdict.outcome) {
    case Outcome::kAdmitted: return Begin();
    case Outcome::kQueued:
      if (Workers* const workers = front_.common().WorkersFor(*function_))
        workers->OnQueued(function_, front_.station());
      return SetDeadline();
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

// Of a library the export that the path names.
wasm::Invocation Request::Call() {
  wasm::Invocation call{.function = function_->manifest->entry};
  if (function_->kind == Kind::kCommand) return call;
  const bool is_named = call.function.empty() && target_.segments.size() > named_;
  if (is_named) call.function = target_.segments[named_];
  if (function_->kind == Kind::kBindgen) {
    if (call.function.empty()) call.function = "_main";
    call.bytes = std::exchange(body_, {});
    return call;
  }
  call.arguments = QueryValues(target_.query);
  if (function_->module->kind() == wasm::ModuleKind::kComponent && !call.function.empty()) {
    call.function += fmt::format("({})", fmt::join(call.arguments, ", "));
    call.arguments.clear();
  }
  return call;
}

void Request::Begin() {
  began_ = Clock::now();
  if (trace_) trace_->BeginRun();
  if (form_ == Reply::kWasmbox && body_over_) {
    if (auto parameter = WasmboxParameter(body_)) body_ = *std::move(parameter);
  }
  run_ = MakeRun();
  if (body_over_) body_size_ = std::to_string(body_.size());
  bool more = true;
  if (!body_.empty()) more = run_->input().Put(body_);
  if (body_over_) run_->input().End();
  if (body_broken_) run_->input().Break();
  body_ = {};
  if (!body_over_ && more) exchange_->ReadBody();
  self_ = shared_from_this();
  // It is not begun before there is somebody who leads next.
  if (!front_.station().has_standby()) SetDeadline();
  const bool runs_elsewhere = front_.common().WorkersFor(*function_) != nullptr;
  if (runs_elsewhere || function_->granted->preopens.empty()) return run_->Begin();
  front_.common().BeginApart(front_.station(), *run_, function_);
}

std::shared_ptr<Run> Request::MakeRun() {
  Run::Listener& listener = *this;
  Workers* const workers = front_.common().WorkersFor(*function_);
  if (entry_->second.handler == nullptr) {
    CommandPlan plan{.module = *function_->module,
                     .host = front_.common().host(),
                     .allowance = allowance_,
                     .arguments = Arguments(),
                     .invocation = Call(),
                     .environment = this,
                     .granted = function_->granted.get()};
    if (workers != nullptr)
      return workers->NewRun(function_, std::move(plan), front_.station(), listener);
    return std::make_shared<CommandRun>(std::move(plan), front_.station(), listener);
  }
  ComponentRun::Plan plan{.handler = entry_->second.handler,
                          .reuse = entry_->second.reuse,
                          .allowance = allowance_,
                          .method = head_.method(),
                          .target = target_.Below(named_),
                          .fields = {},
                          .has_body = head_.has_body(),
                          .stays = !function_->granted->preopens.empty()};
  for (const http::Field& field : head_.fields()) {
    if (!trace_ || !IsSameName(field.name, kTraceparent))
      plan.fields.push_back({field.name, field.value});
  }
  if (trace_) plan.fields.push_back({kTraceparent, trace_->traceparent()});
  // HTTP/1.0 need not say whom it asks, and a guest must be told.
  if (head_.Find("host") == nullptr) plan.fields.push_back({"host", "localhost"});
  plan.fields.push_back({"x-forwarded-prefix", target_.path.substr(0, target_.PrefixSize(named_))});
  if (workers != nullptr)
    return workers->NewRun(function_, std::move(plan), front_.station(), listener);
  return std::make_shared<ComponentRun>(std::move(plan), front_.station(), listener);
}

// ---- Of its guest.

void Request::AddTo(Variables* environment) {
  for (const auto& variable : function_->granted->environment) environment->push_back(variable);
  AddCgiVariables({.head = head_,
                   .target = target_,
                   .named = named_,
                   .body_size = body_size_,
                   .remote = head_.peer(),
                   .server_port = front_.common().serving().port},
                  environment);
  if (!trace_) return;
  std::erase_if(*environment, [](const auto& one) { return one.first == kTraceVariable; });
  environment->emplace_back(kTraceVariable, trace_->traceparent());
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
    if (self != nullptr && !self->ended_) self->run_->output().PassOn();
  });
}

void Request::OnWait() { SetDeadline(); }

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
  if (trace_) trace_->EndRun();
  front_.common().admission().Leave(*ticket_);
  if (exchange_ == nullptr) {
    if (told_) AccountTold();
    return;
  }
  if (told_) {
    AccountTold();
  } else {
    AnswerEnd();
  }
  Flush();
}

void Request::OnWritable() {
  if (exchange_ != nullptr && run_ && !ended_) Carry();
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

}  // namespace wasmoor::function
