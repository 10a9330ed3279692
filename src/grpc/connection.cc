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
                       std::weak_ptr<rpc::ConnectionOwner> owner)
    : rpc::Connection(loop, std::move(owner)),
      loop_(loop),
      socket_(std::move(socket)),
      session_(most_bytes) {}

Result<std::shared_ptr<rpc::Connection>> Connection::Open(
    loop::Loop& loop, os::Fd socket, size_t most_bytes, std::weak_ptr<rpc::ConnectionOwner> owner) {
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
  if (got <= 0) return HangUp();
  const Status taken = session_.Receive(std::span(buffer).first(static_cast<size_t>(got)));
  serving_ = true;
  for (Wish& wish : session_.TakeWishes()) {
    if (open()) Grant(std::move(wish));
  }
  serving_ = false;
  if (!open()) return;
  Flush();
  if (!taken && open()) HangUp();
}

void Connection::Freeze() { source_.OnReadable(nullptr); }

void Connection::Thaw() {
  source_.OnReadable([this] { OnReadable(); });
}

void Connection::Grant(Wish wish) {
  if (!wish.request) return GiveUp(static_cast<uint32_t>(wish.stream));
  Incoming& request = *wish.request;
  const std::string_view path = request.path;
  const size_t slash = path.rfind('/');
  // A path without both is of no service, and is named as it is.
  CallInfo info = {.service = "",
                   .method = path,
                   .metadata = std::move(request.metadata),
                   .deadline = std::nullopt};
  if (path.starts_with('/') && slash != 0) {
    info.service = path.substr(1, slash - 1);
    info.method = path.substr(slash + 1);
  }
  Begin(static_cast<uint32_t>(wish.stream), std::move(info), request.timeout, request.message);
}

Status Connection::Send(const rpc::OpenCall& call, const rpc::Payload& payload) {
  session_.Answer(static_cast<int32_t>(call.stream), payload);
  FlushSoon();
  return {};
}

void Connection::Send(uint32_t stream, const Error& error) {
  session_.Answer(static_cast<int32_t>(stream), error);
  FlushSoon();
}

// What is to be sent goes when what was read is served, or when the callback under way has returned
// to the loop.
void Connection::FlushSoon() {
  if (serving_ || flush_posted_) return;
  flush_posted_ = true;
  loop_.Post([this, connection = weak_from_this()] {
    const auto self = connection.lock();
    if (!self || !open()) return;
    flush_posted_ = false;
    Flush();
  });
}

// Sends what the socket takes. False if it is broken.
bool Connection::Write() {
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
  if (!Write() || session_.waiting() > kMostWaiting || session_.over()) return HangUp();
  const bool blocked = sent_ < output_.size();
  if (blocked == std::exchange(blocked_, blocked)) return;
  source_.OnWritable(blocked ? loop::Callback([this] { Flush(); }) : nullptr);
  source_.OnReadable(blocked ? nullptr : loop::Callback([this] { OnReadable(); }));
}

void Connection::HangUp() {
  source_ = loop::Source();
  socket_.Close();
  Lose();
}

void Connection::Close() {
  if (!open()) return;
  // In this order: after the goodbye nothing is sent.
  if (Write()) session_.GoAway();
  Write();
  source_ = loop::Source();
  socket_.Close();
  EndAll();
}

}  // namespace wasmoor::grpc
