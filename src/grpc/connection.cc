#include "grpc/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace wasmoor::grpc {
namespace {

constexpr size_t kReadBytes = 16 << 10;
// Taken from the session at a time: frames are at most 16 KiB.
constexpr size_t kSendBytes = 32 << 10;
// Of answers whose client opens no window for them.
constexpr size_t kMostWaiting = 64 << 20;

}  // namespace

Connection::Connection(loop::Loop& loop, os::Fd socket, size_t most_bytes,
                       std::weak_ptr<Owner> owner)
    : loop_(loop), owner_(std::move(owner)), socket_(std::move(socket)), session_(most_bytes) {}

Result<std::shared_ptr<Connection>> Connection::Open(loop::Loop& loop, os::Fd socket,
                                                     size_t most_bytes,
                                                     std::weak_ptr<Owner> owner) {
  auto connection =
      std::make_shared<Connection>(loop, std::move(socket), most_bytes, std::move(owner));
  connection->source_ = TRY(loop.Watch(connection->socket_));
  // The source is the connection's own, so that none of its callbacks comes after its end.
  connection->source_.OnReadable([self = connection.get()] { self->OnReadable(); });
  connection->FlushSoon();  // The server's settings come first.
  return connection;
}

void Connection::OnReadable() {
  const auto self = shared_from_this();
  std::array<uint8_t, kReadBytes> buffer;
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return Lose();
  const Status taken = session_.Receive(std::span(buffer).first(static_cast<size_t>(got)));
  serving_ = true;
  for (Wish& wish : session_.TakeWishes()) {
    if (open()) Grant(std::move(wish));
  }
  serving_ = false;
  if (!open()) return;
  Flush();
  if (!taken && open()) Lose();
}

void Connection::Grant(Wish wish) {
  if (wish.request)
    Begin(wish.stream, *std::move(wish.request));
  else
    GiveUp(wish.stream);
}

void Connection::Begin(int32_t stream, Incoming request) {
  const std::string_view path = request.path;
  const size_t slash = path.rfind('/');
  CallInfo info;
  if (path.starts_with('/') && slash != 0) {
    info.service = path.substr(1, slash - 1);
    info.method = path.substr(slash + 1);
  }
  // It, and the services with it, stays until the call has returned, whatever that does.
  const auto owner = owner_.lock();
  Service* const service = owner ? owner->Find(info.service) : nullptr;
  if (service == nullptr)
    return session_.Answer(
        stream, Error(Code::kUnimplemented, fmt::format("'{}' is not served here", path)));
  const auto call = std::make_shared<OpenCall>();
  call->connection = this;
  call->stream = stream;
  call->name = path.substr(1);
  Held held = {.call = call};
  if (request.timeout) {
    if (request.timeout->count() == 0)
      return session_.Answer(
          stream, Error(Code::kDeadlineExceeded, call->name + ": its time was up when it came"));
    info.deadline = Clock::now() + *request.timeout;
    held.deadline = loop_.After(*request.timeout, [this, stream, name = call->name] {
      session_.Answer(stream,
                      Error(Code::kDeadlineExceeded, name + ": not done when its time was up"));
      FlushSoon();
      GiveUp(stream);
    });
  }
  info.metadata = std::move(request.metadata);
  calls_.emplace(stream, std::move(held));
  service->Call(info.method, request.message, info, RawReply(call));
}

void Connection::GiveUp(int32_t stream) {
  const auto found = calls_.find(stream);
  if (found == calls_.end()) return;
  const auto call = found->second.call;
  call->connection = nullptr;
  calls_.erase(found);
  if (const auto work = std::exchange(call->on_gone, nullptr)) work();
}

void Connection::Answer(OpenCall& call, std::string_view message) {
  session_.Answer(call.stream, message);
  call.connection = nullptr;
  calls_.erase(call.stream);
  FlushSoon();
}

void Connection::Answer(OpenCall& call, const Error& error) {
  session_.Answer(call.stream, error);
  call.connection = nullptr;
  calls_.erase(call.stream);
  FlushSoon();
}

// What is to be sent goes when what was read is served, or when the callback under way has returned
// to the loop.
void Connection::FlushSoon() {
  if (serving_ || flush_posted_) return;
  flush_posted_ = true;
  loop_.Post([connection = weak_from_this()] {
    const auto self = connection.lock();
    if (!self || !self->open()) return;
    self->flush_posted_ = false;
    self->Flush();
  });
}

// Sends what the socket takes. False if it is broken.
bool Connection::Send() {
  for (;;) {
    if (sent_ == output_.size()) {
      sent_ = 0;
      output_ = session_.TakeOutput(kSendBytes);
      if (output_.empty()) return true;
    }
    const ssize_t sent = ::send(socket_.get(), output_.data() + sent_, output_.size() - sent_,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    sent_ += static_cast<size_t>(sent);
  }
}

// A client that does not take what it is sent is not read from: what it sends would need answers,
// too, at least from HTTP/2.
void Connection::Flush() {
  const auto self = shared_from_this();
  if (!Send() || session_.waiting() > kMostWaiting || session_.over()) return Lose();
  const bool blocked = sent_ < output_.size();
  if (blocked == std::exchange(blocked_, blocked)) return;
  source_.OnWritable(blocked ? loop::Callback([this] { Flush(); }) : nullptr);
  source_.OnReadable(blocked ? nullptr : loop::Callback([this] { OnReadable(); }));
}

void Connection::Lose() {
  const auto self = shared_from_this();
  source_ = loop::Source();
  socket_.Close();
  EndAll();
  if (const auto owner = owner_.lock()) owner->OnLost(*this);
}

void Connection::Close() {
  if (!open()) return;
  // In this order: after the goodbye nothing is sent.
  if (Send()) session_.GoAway();
  Send();
  source_ = loop::Source();
  socket_.Close();
  EndAll();
}

void Connection::EndAll() {
  output_ = std::string();
  sent_ = 0;
  const auto calls = std::exchange(calls_, {});
  for (const auto& [stream, held] : calls) held.call->connection = nullptr;
  // After that, since each may do anything.
  for (const auto& [stream, held] : calls) {
    if (const auto work = std::exchange(held.call->on_gone, nullptr)) work();
  }
}

}  // namespace wasmoor::grpc
