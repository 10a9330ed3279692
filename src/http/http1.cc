#include "http/http1.h"

#include <array>
#include <utility>
#include <vector>

#include "http/http2.h"

namespace wasmoor::http {
namespace {

constexpr size_t kInputAhead = 64 << 10;        // Received while what came before is worked on.
constexpr size_t kOutputAhead = 64 << 10;       // Written while the client takes what came before.
constexpr uint64_t kMostDiscarded = 256 << 10;  // Of a body that nobody wanted.
constexpr int kMostRounds = 64;  // Of requests, or parts of an answer, before others have a turn.
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kSwitching =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";

}  // namespace

bool Http1::CanWrite() const {
  held_back_ = connection_.unsent() + response_.waiting() >= kOutputAhead;
  return !held_back_;
}

void Http1::Flush() {
  if (in_work_) return;  // Whoever called the work goes on from there.
  connection_.Resume();
}

bool Http1::wants_input() const { return (!refused_ || lingering_) && in_.size() < kInputAhead; }

Wait Http1::waits_for() const {
  if (lingering_) return Wait::kEnd;
  if (connection_.unsent() > 0 || refused_ || (body_wanted_ && !body_over_)) return Wait::kStall;
  if (work_ != nullptr) return Wait::kNothing;
  return in_.empty() ? Wait::kRequest : Wait::kHead;
}

bool Http1::GiveUp() {
  const bool told = work_ == nullptr && !in_.empty() && connection_.unsent() == 0 && !refused_;
  if (told) Refuse({kTimeout, "the request did not come in time"});
  return told;
}

void Http1::Trim() {
  in_.shrink_to_fit();
  response_.Trim();
}

// Whether the work went on because the client has taken what held it back.
bool Http1::Continue() {
  if (work_ == nullptr || response_.finished() || !held_back_ || !CanWrite()) return false;
  in_work_ = true;
  work_->OnWritable();
  in_work_ = false;
  return true;
}

bool Http1::Advance() {
  if (lingering_) in_.clear();
  for (int round = 0;; ++round) {
    // Others have their turn, too.
    yielded_ = round == kMostRounds;
    if (yielded_) break;
    if (refused_ && !response_.begun()) break;
    if (work_ == nullptr && !refused_) {
      if (connection_.unsent() >= kOutputAhead || !BeginRequest()) break;
    }
    FeedBody();
    TakeResponse();
    if (aborted_ || response_.broken()) {
      connection_.Send();
      return false;
    }
    if (!response_.finished()) {
      if (!connection_.Send()) return false;
      if (Continue()) continue;
      break;
    }
    // Answers to requests that came together go together.
    EndRequest();
    if (refused_) break;
    if (connection_.unsent() >= kOutputAhead && !connection_.Send()) return false;
  }
  if (left_) return true;
  if (!refused_ && connection_.unsent() < kOutputAhead) return connection_.SendSoon(), true;
  return connection_.Send() && !(refused_ && connection_.unsent() == 0 && !Linger());
}

// After the last response. A socket that is closed with something in it that was not read takes the
// response back from a client that has not read that yet (RFC 9112, section 9.6).
bool Http1::Linger() {
  if (!unread_) return false;
  if (!lingering_) connection_.EndOutput();
  lingering_ = true;
  in_.clear();
  return true;
}

bool Http1::TakesPreface() {
  const std::string_view begin = std::string_view(in_).substr(0, Http2::kPreface.size());
  if (connection_.limits().h2c == H2c::kOff || !Http2::kPreface.starts_with(begin)) {
    fresh_ = false;
    return false;
  }
  if (begin.size() < Http2::kPreface.size()) return true;
  auto next = std::make_unique<Http2>(connection_);
  next->Take(in_);
  connection_.Become(std::move(next));
  left_ = true;
  return true;
}

// Its request is the new connection's first.
bool Http1::Upgrade(size_t taken) {
  std::vector<Field> fields;
  for (const Field& one : parser_.head().fields) {
    if (!IsOfConnection(Identify(one.name))) fields.push_back(one);
  }
  Head head = parser_.head();
  head.fields = fields;
  head.peer = connection_.peer();
  auto next = std::make_unique<Http2>(connection_);
  if (!next->Upgrade(head, *parser_.h2c_settings())) return false;
  connection_.out() += kSwitching;
  in_.erase(0, taken);
  if (!in_.empty()) next->Take(in_);
  connection_.Become(std::move(next));
  left_ = true;
  return true;
}

// False if there is none yet, or something else is spoken now.
bool Http1::BeginRequest() {
  if (left_ || in_.empty() || (fresh_ && TakesPreface())) return false;
  const size_t taken = parser_.Put(in_);
  if (parser_.refusal().status != 0) {
    Refuse(parser_.refusal());
    return true;
  }
  if (!parser_.head_done()) {
    in_.erase(0, taken);
    return false;
  }
  connection_.WaitAnew();
  if (parser_.h2c_settings() != nullptr && connection_.limits().h2c == H2c::kOn &&
      !connection_.host().draining && Upgrade(taken))
    return false;
  body_wanted_ = body_over_ = continued_ = held_back_ = false;
  Head head = parser_.head();
  head.peer = connection_.peer();
  is_head_ = head.method == "HEAD";
  in_work_ = true;
  work_ = connection_.host().handler.Begin(head, *this);
  work_->Run();
  in_work_ = false;
  in_.erase(0, taken);
  return true;
}

// Gives the work of the body what it asked for, as far as it is here.
void Http1::FeedBody() {
  while (body_wanted_ && !body_over_ && work_ != nullptr && !aborted_) {
    const size_t taken = parser_.Put(in_);
    const bool broken = parser_.refusal().status != 0;
    if (broken && !response_.begun()) return Refuse(parser_.refusal());
    if (!broken && parser_.part().empty() && !parser_.done()) {
      in_.erase(0, taken);
      break;
    }
    body_wanted_ = false;
    in_work_ = true;
    if (!parser_.part().empty()) {
      work_->OnBody(parser_.part());
    } else {
      body_over_ = true;
      broken ? work_->OnBodyBroken() : work_->OnBodyEnd(parser_.trailers());
    }
    in_work_ = false;
    in_.erase(0, taken);
  }
  if (!body_wanted_ || body_over_ || continued_ || !parser_.expects_continue()) return;
  // The client waits with the body for being told that it is wanted (RFC 9110, section 10.1.1).
  continued_ = true;
  if (in_.empty() && !response_.begun()) connection_.out() += kContinue;
}

void Http1::TakeResponse() {
  if (!response_.begun()) return;
  const bool http_1_1 = refused_ || parser_.is_http_1_1();
  response_.Take({.is_head = is_head_ && !refused_,
                  .is_http_1_1 = http_1_1,
                  .keep_alive = !refused_ && !connection_.host().draining && parser_.keep_alive()},
                 &connection_.out());
}

// After a whole response.
void Http1::EndRequest() {
  work_.reset();
  body_wanted_ = false;
  bool goes_on = response_.keeps_alive() && !connection_.host().draining && !refused_;
  // What is left of the body stands before the next request.
  if (!parser_.done() && parser_.expects_continue() && !continued_) goes_on = false;
  uint64_t discarded = 0;
  while (goes_on && !parser_.done()) {
    const size_t taken = parser_.Put(in_);
    in_.erase(0, taken);
    discarded += taken;
    if (parser_.refusal().status != 0 || discarded > kMostDiscarded) goes_on = false;
    if (taken == 0) break;
  }
  // What is still to come of it could only be waited for: it is not.
  goes_on = goes_on && parser_.done();
  response_.Reset();
  if (goes_on) return parser_.Reset();
  refused_ = true;  // Send what is left, and end.
  unread_ = unread_ || !parser_.done() || !in_.empty();
}

void Http1::Refuse(const Refusal& refusal) {
  work_.reset();
  refused_ = unread_ = true;
  const std::string body = std::string(refusal.reason) + "\n";
  const std::array fields = {Field{"content-type", "text/plain"}};
  response_.Reset();
  response_.Begin(refusal.status, fields, connection_.host().date);
  response_.Write(body);
  response_.Finish({});
}

}  // namespace wasmoor::http
