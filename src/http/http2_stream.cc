#include "http/http2_stream.h"

#include <array>
#include <utility>
#include <vector>

namespace wasmoor::http {
namespace {

// Written while the client takes what came before: of one stream; and of all of a connection, of
// which then each still may have one part.
constexpr size_t kOutputAhead = 64 << 10, kAllOutputAhead = 1 << 20;

}  // namespace

Stream::Stream(StreamOwner& owner, const Request& request, const Limits& limits,
               Clock::time_point begun)
    : owner_(owner), request_(request), limits_(limits), begun_(begun), ended_(!request.has_body) {}

Stream::~Stream() {
  work_.reset();
  owner_.waiting() -= waiting();
  if (!in_.empty()) owner_.Read(*this, in_.size());
}

void Stream::Begin(Handler& handler, const Head& head) {
  owner_.Touch(*this);
  work_ = handler.Begin(head, *this);
  work_->Run();
}

void Stream::EndWork() {
  work_.reset();
  if (!in_.empty()) owner_.Read(*this, std::exchange(in_, {}).size());
}

void Stream::OnData(std::string_view part) {
  owner_.Touch(*this);
  owner_.Received(*this, part.size());
  moved_ = true;
  received_ += part.size();
  if (received_ > limits_.body_bytes && !too_large_) {
    too_large_ = true;
    if (work_ != nullptr && !responded()) Refuse({kTooLarge, "the body is too large"});
  }
  if (work_ == nullptr || too_large_) return owner_.Read(*this, part.size());
  if (!wanted_ || !in_.empty()) {
    in_ += part;
    return;
  }
  wanted_ = false;
  work_->OnBody(part);
  owner_.Read(*this, part.size());
}

void Stream::Feed() {
  while (work_ != nullptr && wanted_ && !over_ && !aborted_) {
    if (in_.empty() && !ended_ && !too_large_) return;
    wanted_ = false;
    if (!in_.empty()) {
      const std::string part = std::exchange(in_, {});
      work_->OnBody(part);
      owner_.Read(*this, part.size());
      continue;
    }
    over_ = true;
    if (too_large_) {
      work_->OnBodyBroken();
    } else {
      std::vector<Field> trailers;
      trailers_in_.AppendTo(&trailers);
      work_->OnBodyEnd(trailers);
    }
  }
}

void Stream::Continue() {
  if (work_ == nullptr || finished_ || !held_back_ || !CanWrite()) return;
  owner_.Touch(*this);
  work_->OnWritable();
}

bool Stream::TakeContinue() {
  if (!request_.expects_continue || continued_ || !wanted_ || over_) return false;
  continued_ = true;
  return received_ == 0 && !ended_ && !responded();
}

void Stream::Refuse(const Refusal& refusal) {
  EndWork();
  const std::array fields = {Field{"content-type", "text/plain"}};
  Respond(refusal.status, fields);
  Write(std::string(refusal.reason) + "\n");
  Finish({});
}

void Stream::Respond(unsigned status, Fields fields) {
  owner_.Touch(*this);
  response_.status = status;
  for (const Field& field : fields) {
    const Known known = Identify(field.name);
    if (IsOfConnection(known) || !IsToken(field.name) || !IsValue(field.value)) continue;
    if (known == Known::kContentLength) {
      response_.length = ParseLength(field.value);
      continue;
    }
    response_.has_date |= known == Known::kDate;
    response_.fields.Add(field.name, Trim(field.value));
  }
}

const Stream::Response& Stream::TakeResponse() {
  taken_ = true;
  Response& response = response_;
  // All of it is here: its length is known, as HTTP/1.1 would say it.
  const bool says_nothing = request_.is_head && written_ == 0;
  if (!response.length && finished_ && trailers_out_.empty() && !says_nothing)
    response.length = written_;
  response.has_body = HasBody(response.status) && !request_.is_head;
  if (!HasBody(response.status) && (response.status != kNotModified || response.length == 0))
    response.length.reset();
  if (!response.has_body) Take(waiting());
  return response;
}

void Stream::Write(std::string_view part) {
  owner_.Touch(*this);
  // More than was promised nobody gets.
  if (response_.length && part.size() > *response_.length - written_) {
    too_long_ = true;
    part = part.substr(0, *response_.length - written_);
  }
  written_ += part.size();
  if (taken_ && !response_.has_body) return;
  if (given_ > out_.size() / 2) {
    out_.erase(0, given_);
    given_ = 0;
  }
  out_ += part;
  owner_.waiting() += part.size();
}

void Stream::Take(size_t bytes) {
  given_ += bytes;
  owner_.waiting() -= bytes;
  moved_ = true;
  if (given_ < out_.size()) return;
  out_.clear();
  given_ = 0;
}

void Stream::Finish(Fields trailers) {
  owner_.Touch(*this);
  finished_ = true;
  for (const Field& field : trailers) {
    if (IsToken(field.name) && IsValue(field.value) && !IsOfConnection(Identify(field.name)))
      trailers_out_.Add(field.name, Trim(field.value));
  }
}

void Stream::Abort() {
  owner_.Touch(*this);
  aborted_ = true;
}

bool Stream::broken() const {
  if (aborted_) return true;
  if (!taken_ || !response_.has_body || !response_.length) return false;
  return too_long_ || (finished_ && written_ < *response_.length);
}

bool Stream::CanWrite() const {
  held_back_ = waiting() >= kOutputAhead || (waiting() > 0 && owner_.waiting() >= kAllOutputAhead);
  if (held_back_) owner_.HoldBack();
  return !held_back_;
}

void Stream::ReadBody() {
  owner_.Touch(*this);
  wanted_ = true;
}

bool Stream::waits_for_client() const {
  const bool to_take = taken_ && sending != Sending::kEnded && (waiting() > 0 || finished_);
  return to_take || (work_ != nullptr && wanted_ && !over_);
}

void Stream::SetDeadline(Clock::time_point now) {
  const bool moved = std::exchange(moved_, false);
  constexpr Clock::time_point kNever = Clock::time_point::max();
  if (!waits_for_client()) {
    deadline_ = kNever;
  } else if (moved || deadline_ == kNever) {
    deadline_ = now + limits_.stall_time;
  }
}

}  // namespace wasmoor::http
