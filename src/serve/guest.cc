#include "serve/guest.h"

#include <algorithm>
#include <array>

#include "wasmoor/base/ascii.h"
#include "wasmoor/program/report.h"

namespace wasmoor::serve {
namespace {

constexpr unsigned kInternalError = 500, kBadGateway = 502, kUnavailable = 503, kTimeout = 504,
                   kBadRequest = 400, kFirstFinal = 200;
// Rounds of a guest and its client before others have their turn.
constexpr int kMostRounds = 16;
constexpr std::string_view kHost = "host";
// Requests that wait for their turn, on one thread.
constexpr size_t kMostWaiting = 1024;

std::vector<wasm::HttpField> ToWasm(http::Fields fields) {
  std::vector<wasm::HttpField> all;
  all.reserve(fields.size());
  for (const http::Field& one : fields) all.push_back({one.name, one.value});
  return all;
}

std::vector<http::Field> ToHttp(std::span<const wasm::HttpField> fields) {
  std::vector<http::Field> all;
  all.reserve(fields.size());
  for (const wasm::HttpField& one : fields) all.push_back({one.name, one.value});
  return all;
}

}  // namespace

// The connection's hold on a guest.
class GuestWork : public http::Work {
 public:
  GuestWork(Guests& guests, const http::Head& head, http::Exchange& exchange)
      : guest_(std::make_shared<Guest>(guests, exchange)) {
    if (guests.running_ < guests.at_once_) {
      guest_->Begin(head);
    } else if (guests.waiting_.size() < kMostWaiting) {
      guest_->Wait(head);
      guests.waiting_.push_back(guest_);
    } else {
      const std::array fields = {http::Field{"retry-after", "1"}};
      exchange.Respond(kUnavailable, fields);
      exchange.Finish({});
    }
  }
  ~GuestWork() override {
    guest_->Leave();
    if (guest_->answered_whole() && !guest_->ended()) guest_->guests().Linger(guest_);
  }

  void Run() override { guest_->Pump(); }
  void OnBody(std::string_view part) override { guest_->Feed(part); }
  void OnBodyEnd(http::Fields trailers) override { guest_->EndBody(trailers); }
  void OnBodyBroken() override { guest_->BreakBody(); }
  void OnWritable() override { guest_->Pump(); }

 private:
  const std::shared_ptr<Guest> guest_;
};

Guests::Guests(loop::Loop& loop, wasm::HttpHandler& handler, const Settings& settings,
               uint32_t at_once, std::string name, Say say)
    : loop_(loop),
      handler_(handler),
      settings_(settings),
      at_once_(at_once),
      name_(std::move(name)),
      say_(std::move(say)) {}

Guests::~Guests() { lingering_.clear(); }

std::unique_ptr<http::Work> Guests::Begin(const http::Head& head, http::Exchange& exchange) {
  return std::make_unique<GuestWork>(*this, head, exchange);
}

void Guests::OnIdle(std::function<void()> idle) {
  if (!running()) return loop_.Post(std::move(idle));
  idle_ = std::move(idle);
}

void Guests::Ended() {
  --running_;
  while (!waiting_.empty()) {
    const std::shared_ptr<Guest> next = waiting_.front().lock();
    waiting_.pop_front();
    if (next == nullptr) continue;  // Its client has left.
    return next->TakeTurn();
  }
}

void Guests::Linger(std::shared_ptr<Guest> guest) { lingering_.insert(std::move(guest)); }

void Guests::Forget(const std::shared_ptr<Guest>& guest) {
  if (lingering_.erase(guest) > 0 && !running() && idle_) loop_.Post(std::exchange(idle_, nullptr));
}

Guest::~Guest() {
  request_.reset();
  if (has_turn_) guests_.Ended();
}

void Guest::Begin(const http::Head& head) {
  has_turn_ = true;
  ++guests_.running_;
  SetDeadline();
  auto fields = ToWasm(head.fields);
  // HTTP/1.0 need not say whom it asks, and a guest must be told.
  const bool named = head.target.find("://") != std::string_view::npos ||
                     std::any_of(fields.begin(), fields.end(), [](const wasm::HttpField& one) {
                       return IsSameName(one.name, kHost);
                     });
  if (!named) fields.push_back({kHost, "localhost"});
  auto request = guests_.handler_.Begin(
      {.method = head.method, .target = head.target, .fields = fields, .has_body = head.has_body},
      [this] { Wake(); });
  if (request) {
    request_ = *std::move(request);
  } else {
    Fail(kBadRequest, "the request cannot be understood\n");
  }
}

void Guest::Wait(const http::Head& head) {
  SetDeadline();
  kept_ = std::make_unique<KeptHead>();
  kept_->method = head.method;
  kept_->target = head.target;
  kept_->has_body = head.has_body;
  for (const http::Field& one : head.fields) kept_->fields.emplace_back(one.name, one.value);
}

void Guest::TakeTurn() {
  std::vector<http::Field> fields;
  for (const auto& [name, value] : kept_->fields) fields.push_back({name, value});
  Begin({.method = kept_->method,
         .target = kept_->target,
         .fields = fields,
         .has_body = kept_->has_body});
  kept_.reset();
  Schedule();
}

void Guest::SetDeadline() {
  const auto time = guests_.settings_.request_time;
  if (time.count() == 0 || deadline_.pending()) return;
  deadline_ = guests_.loop_.After(time, [this] {
    const std::shared_ptr<Guest> self = shared_from_this();
    guests_.say_(
        fmt::format("wasmoor: {}: a request took too long, and was ended\n", guests_.name_));
    request_.reset();
    ended_ = true;
    if (exchange_ == nullptr) return guests_.Forget(self);
    if (answered_) {
      exchange_->Abort();
    } else {
      Fail(kTimeout, "");
    }
    exchange_->Flush();
  });
}

// Any thread.
void Guest::Wake() {
  if (::pthread_equal(::pthread_self(), guests_.thread_) == 0) {
    // The guest's end waits for this call, so that the pointer is one still.
    guests_.loop_.Post([weak = weak_from_this()] {
      if (const auto guest = weak.lock()) guest->PumpAndFlush();
    });
  } else if (pumping_) {
    again_ = true;
  } else {
    Schedule();
  }
}

void Guest::Schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  guests_.loop_.Post([weak = weak_from_this()] {
    const auto guest = weak.lock();
    if (guest == nullptr) return;
    guest->scheduled_ = false;
    guest->PumpAndFlush();
  });
}

void Guest::PumpAndFlush() {
  const std::shared_ptr<Guest> self = shared_from_this();
  Pump();
  if (exchange_ != nullptr) return exchange_->Flush();
  if (ended_) guests_.Forget(self);
}

void Guest::Pump() {
  if (request_ == nullptr) return;
  pumping_ = true;
  for (int round = 0; round < kMostRounds; ++round) {
    again_ = false;
    Poll();
    if (!again_ || ended_) break;
  }
  pumping_ = false;
  if (again_ && !ended_) Schedule();
}

void Guest::Poll() {
  const wasm::HttpRequest::News news = request_->Poll();
  if (news.answered && exchange_ != nullptr) Answer();
  if (news.ended) return End();
  Carry();
  if (news.wants_body && exchange_ != nullptr) exchange_->ReadBody();
  if (news.runnable) Schedule();
}

void Guest::Answer() {
  const wasm::HttpRequest::Response response = request_->response();
  if (response.status >= kFirstFinal) {
    exchange_->Respond(response.status, ToHttp(response.fields));
    answered_ = true;
    return;
  }
  const std::string error =
      response.status == 0 ? response.error : fmt::format("the status {}", response.status);
  guests_.say_(fmt::format("wasmoor: {}: a guest answered with {}\n", guests_.name_, error));
  Fail(kBadGateway, "");
}

// What the guest has written, as far as the client takes it.
void Guest::Carry() {
  using State = wasm::HttpRequest::BodyState;
  while (answered_ && !body_over_ && exchange_ != nullptr && exchange_->CanWrite()) {
    std::string_view part;
    const State state = request_->ReadBody(&part);
    if (state == State::kNothingYet) return;
    if (state == State::kPart) {
      exchange_->Write(part);
      continue;
    }
    body_over_ = true;
    if (state == State::kBrokenOff) return exchange_->Abort();
    exchange_->Finish(ToHttp(request_->trailers()));
  }
}

void Guest::End() {
  const wasm::HttpRequest::Failure failure = request_->TakeFailure();
  if (failure.trap) guests_.say_(program::TrapText(guests_.name_, *failure.trap));
  if (failure.error)
    guests_.say_(fmt::format("wasmoor: {}: {}\n", guests_.name_, failure.error->message()));
  const bool failed = failure.trap || failure.error;
  // A client that takes its time still has some of the body to get.
  if (answered_ && !failed) Carry();
  ended_ = !answered_ || body_over_ || failed || exchange_ == nullptr;
  if (!ended_ || exchange_ == nullptr || body_over_) return;
  if (answered_) {
    // How much there would have been, nobody knows.
    exchange_->Abort();
  } else if (failure.error && failure.error->code() == Code::kResourceExhausted) {
    Fail(kUnavailable, "");
  } else if (!exchange_->responded()) {
    if (!failed)
      guests_.say_(fmt::format("wasmoor: {}: a guest ended without an answer\n", guests_.name_));
    Fail(kInternalError, "");
  }
}

void Guest::Fail(unsigned status, std::string_view text) {
  if (exchange_ == nullptr || exchange_->responded()) return;
  const std::array fields = {http::Field{"content-type", "text/plain"}};
  exchange_->Respond(status, fields);
  exchange_->Write(text);
  exchange_->Finish({});
}

void Guest::Feed(std::string_view part) {
  if (request_ == nullptr) return;
  pumping_ = true;  // What this wakes is polled next.
  request_->WriteBody(part);
  Pump();
}

void Guest::EndBody(http::Fields trailers) {
  if (request_ == nullptr) return;
  pumping_ = true;
  request_->EndBody(ToWasm(trailers));
  Pump();
}

void Guest::BreakBody() {
  if (request_ == nullptr) return;
  pumping_ = true;
  request_->BreakBody();
  Pump();
}

void Guest::Leave() {
  exchange_ = nullptr;
  if (!body_over_) request_.reset();
}

}  // namespace wasmoor::serve
