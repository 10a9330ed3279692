#include "http/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace wasmoor::http {
namespace {

constexpr size_t kInputAhead = 64 << 10;   // Received while what came before is worked on.
constexpr size_t kOutputAhead = 64 << 10;  // Written while the client takes what came before.
constexpr std::chrono::milliseconds kLinger{2'000};
constexpr uint64_t kMostDiscarded = 256 << 10;  // Of a body that nobody wanted.
constexpr int kMostRounds = 64;  // Of requests, or parts of an answer, before others have a turn.
constexpr unsigned kTimeout = 408;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Connection::Connection(Host& host, os::Fd socket, loop::Source source)
    : host_(host), socket_(std::move(socket)), source_(std::move(source)), parser_(host.limits) {}

void Connection::Start() {
  SetDeadline();
  Watch();
}

bool Connection::idle() const { return work_ == nullptr && in_.empty() && out_.empty(); }

void Connection::Write(std::string_view part) { response_.Write(part); }

bool Connection::CanWrite() const {
  held_back_ = out_.size() - sent_ + response_.waiting() >= kOutputAhead;
  return !held_back_;
}

void Connection::ReadBody() { body_wanted_ = true; }

void Connection::Flush() {
  if (in_work_) return;  // Whoever called the work goes on from there.
  if (!Advance()) return host_.remove(*this);
  Watch();
}

void Connection::OnReadable() {
  if (!Receive() || !Advance()) return host_.remove(*this);
  Watch();
}

// False if the connection broke.
bool Connection::Receive() {
  const ssize_t size = ::recv(socket_.get(), host_.scratch.data(), host_.scratch.size(), 0);
  if (size < 0) return WouldBlock();
  end_of_input_ |= size == 0;
  in_.append(host_.scratch.data(), size);
  // Waiting for a head is not made longer by its coming slowly.
  const bool in_head = lingering_ || (work_ == nullptr && in_.size() != static_cast<size_t>(size));
  if (!in_head) deadline_ = {};
  return true;
}

void Connection::OnWritable() {
  if (!Advance()) return host_.remove(*this);
  Watch();
}

// Whether the work went on because the client has taken what held it back.
bool Connection::Continue() {
  if (work_ == nullptr || response_.finished() || !held_back_ || !CanWrite()) return false;
  in_work_ = true;
  work_->OnWritable();
  in_work_ = false;
  return true;
}

bool Connection::Advance() {
  for (int round = 0;; ++round) {
    // Others have their turn, too.
    yielded_ = round == kMostRounds;
    if (yielded_) break;
    // A client that is gone, or will not say any more: it is not waited for.
    if (end_of_input_) return false;
    if (refused_ && !response_.begun()) break;
    if (work_ == nullptr && !refused_) {
      if (!out_.empty() && out_.size() - sent_ >= kOutputAhead) break;
      if (!BeginRequest()) break;
    }
    FeedBody();
    if (!Send()) return false;
    if (aborted_ || response_.broken()) return false;
    if (Continue()) continue;
    if (!response_.finished()) break;
    if (!EndRequest()) return false;
    if (refused_) break;
  }
  return Send() && !(refused_ && out_.empty() && !Linger());
}

// After the last response. A socket that is closed with something in it that was not read takes the
// response back from a client that has not read that yet (RFC 9112, 9.6).
bool Connection::Linger() {
  if (!unread_ || end_of_input_) return false;
  if (!lingering_) ::shutdown(socket_.get(), SHUT_WR);
  lingering_ = true;
  in_.clear();
  return true;
}

// False if there is none yet.
bool Connection::BeginRequest() {
  const size_t taken = parser_.Put(in_);
  if (parser_.refusal().status != 0) {
    Refuse(parser_.refusal());
    return true;
  }
  if (!parser_.head_done()) {
    in_.erase(0, taken);
    return false;
  }
  body_wanted_ = body_over_ = continued_ = held_back_ = false;
  in_work_ = true;
  work_ = host_.handler.Begin(parser_.head(), *this);
  work_->Run();
  in_work_ = false;
  is_head_ = parser_.head().method == "HEAD";
  in_.erase(0, taken);
  return true;
}

// Gives the work of the body what it asked for, as far as it is here.
void Connection::FeedBody() {
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
  // The client waits with the body for being told that it is wanted (RFC 9110, 10.1.1).
  continued_ = true;
  if (in_.empty() && !response_.begun()) out_ += kContinue;
}

// After a whole response. False if nothing can follow it.
bool Connection::EndRequest() {
  work_.reset();
  bool goes_on = response_.keeps_alive() && !host_.draining && !refused_;
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
  if (goes_on) {
    parser_.Reset();
    return true;
  }
  refused_ = true;  // Send what is left, and end.
  unread_ = !parser_.done() || !in_.empty();
  return true;
}

void Connection::Refuse(const Refusal& refusal) {
  work_.reset();
  refused_ = unread_ = true;
  const std::string body = std::string(refusal.reason) + "\n";
  const std::array fields = {Field{"content-type", "text/plain"}};
  response_.Reset();
  response_.Begin(refusal.status, fields, host_.date);
  response_.Write(body);
  response_.Finish({});
}

bool Connection::Send() {
  if (response_.begun()) {
    const bool http_1_1 = refused_ || parser_.is_http_1_1();
    response_.Take({.is_head = is_head_ && !refused_,
                    .is_http_1_1 = http_1_1,
                    .keep_alive = !refused_ && !host_.draining && parser_.keep_alive()},
                   &out_);
  }
  while (sent_ < out_.size()) {
    const ssize_t size =
        ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0) return WouldBlock();
    sent_ += size;
    deadline_ = {};
  }
  out_.clear();
  sent_ = 0;
  return true;
}

void Connection::Watch() {
  const bool read = (!refused_ || lingering_) && !end_of_input_ && in_.size() < kInputAhead;
  const bool write = !out_.empty() || yielded_;
  if (read != reading_) {
    reading_ = read;
    source_.OnReadable(read ? loop::Callback([this] { OnReadable(); }) : nullptr);
  }
  if (write != writing_) {
    writing_ = write;
    source_.OnWritable(write ? loop::Callback([this] { OnWritable(); }) : nullptr);
  }
  SetDeadline();
}

// Sets one where something is waited for that has none yet.
void Connection::SetDeadline() {
  constexpr Clock::time_point kNone = {}, kNever = Clock::time_point::max();
  const bool for_client = !out_.empty() || (body_wanted_ && !body_over_);
  if (work_ != nullptr && !for_client) {
    deadline_ = kNever;
  } else if (deadline_ == kNone || deadline_ == kNever) {
    const Limits& limits = host_.limits;
    deadline_ = host_.now + (lingering_               ? kLinger
                             : for_client || refused_ ? limits.stall_time
                             : in_.empty()            ? limits.idle_time
                                                      : limits.head_time);
  }
}

void Connection::GiveUp() {
  const bool told = work_ == nullptr && !in_.empty() && out_.empty() && !refused_;
  if (!told) return host_.remove(*this);
  Refuse({kTimeout, "the request did not come in time"});
  deadline_ = {};
  if (!Send() || out_.empty()) return host_.remove(*this);
  Watch();
}

}  // namespace wasmoor::http
