#include "http/connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "http/http1.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::http {
namespace {

// Of a client that is to close its side, or to hear of that.
constexpr std::chrono::milliseconds kLinger{2'000}, kGoAwayHeard{1'000};
// Who has waited for a request so long keeps no memory for the next one.
constexpr std::chrono::milliseconds kRest{2'000};

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

std::chrono::milliseconds TimeFor(Wait wait, const Limits& limits) {
  switch (wait) {
    case Wait::kRequest: return limits.idle_time;
    case Wait::kHead: return limits.head_time;
    case Wait::kGoAway: return kGoAwayHeard;
    case Wait::kEnd: return kLinger;
    default: return limits.stall_time;
  }
}

}  // namespace

Connection::Connection(Host& host, os::Fd socket, loop::Source source)
    : host_(host),
      socket_(std::move(socket)),
      source_(std::move(source)),
      protocol_(std::make_unique<Http1>(*this)) {}

void Connection::Start() { Watch(); }

std::string_view Connection::peer() {
  if (!peer_) peer_ = os::PeerHost(socket_);
  return *peer_;
}

void Connection::OnReadable() {
  if (!Receive() || !Advance()) return host_.remove(*this);
  Watch();
}

void Connection::OnWritable() {
  if (!Send() || !Advance()) return host_.remove(*this);
  Watch();
}

// Who answers need not go on for a client that is gone; what was answered is sent as far as it
// goes.
void Connection::OnHangup() {
  if (unsent() == 0) return host_.remove(*this);
  source_.OnHangup(nullptr);
}

void Connection::Resume() {
  if (!Advance()) return host_.remove(*this);
  Watch();
}

void Connection::Drain() {
  if (!protocol_->Drain()) return host_.remove(*this);
  Watch();
}

// For a moment, and has not been looked at since.
bool Connection::rests() const {
  return wait_ == Wait::kRequest && !trimmed_ &&
         host_.now >= deadline_ - host_.limits.idle_time + kRest;
}

bool Connection::due() const {
  return host_.now >= deadline_ || host_.now >= protocol_->earliest() || rests();
}

void Connection::Look() {
  bool lives = true;
  if (rests()) {
    trimmed_ = true;
    out_.shrink_to_fit();
    protocol_->Trim();
  }
  if (host_.now >= protocol_->earliest()) {
    protocol_->Expire();
    lives = Advance();
  }
  if (lives && host_.now >= deadline_) {
    WaitAnew();
    lives = protocol_->GiveUp() && Advance();
  }
  if (!lives) return host_.remove(*this);
  Watch();
}

// False if the connection broke, or the client is gone or will not say any more: it is not waited
// for.
bool Connection::Receive() {
  const ssize_t size = ::recv(socket_.get(), host_.scratch.data(), host_.scratch.size(), 0);
  if (size < 0) return WouldBlock();
  if (size == 0) return false;
  moved_ = true;
  protocol_->Take({host_.scratch.data(), static_cast<size_t>(size)});
  return true;
}

bool Connection::Advance() {
  bool lives = protocol_->Advance();
  while (lives && next_ != nullptr) {
    protocol_ = std::move(next_);
    lives = protocol_->Advance();
  }
  return lives;
}

bool Connection::Send() {
  while (sent_ < out_.size()) {
    const ssize_t size =
        ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0) return WouldBlock();
    sent_ += static_cast<size_t>(size);
    moved_ = true;
  }
  out_.clear();
  sent_ = 0;
  return true;
}

void Connection::SendSoon() {
  if (unsent() > 0 && !std::exchange(sends_soon_, true)) host_.send_later(*this);
}

void Connection::SendNow() {
  sends_soon_ = false;
  if (!Send()) return host_.remove(*this);
  Watch();
}

void Connection::EndOutput() { ::shutdown(socket_.get(), SHUT_WR); }

void Connection::Watch() {
  const bool read = protocol_->wants_input();
  const bool write = (unsent() > 0 && !sends_soon_) || protocol_->wants_turn();
  if (read != reading_) {
    reading_ = read;
    source_.OnReadable(read ? loop::Callback([this] { OnReadable(); }) : nullptr);
    source_.OnHangup(read ? nullptr : loop::Callback([this] { OnHangup(); }));
  }
  if (write != writing_) {
    writing_ = write;
    source_.OnWritable(write ? loop::Callback([this] { OnWritable(); }) : nullptr);
  }
  SetDeadline();
}

// A head and an end have their time from when they are first waited for, the others from when
// something last moved.
void Connection::SetDeadline() {
  const Wait wait = protocol_->waits_for();
  const bool extends = moved_ && (wait == Wait::kStall || wait == Wait::kRequest);
  trimmed_ = trimmed_ && !moved_;
  moved_ = false;
  if (wait == wait_ && !extends) return;
  wait_ = wait;
  deadline_ =
      wait == Wait::kNothing ? Clock::time_point::max() : host_.now + TimeFor(wait, host_.limits);
}

}  // namespace wasmoor::http
