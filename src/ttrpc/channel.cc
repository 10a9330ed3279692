#include "ttrpc/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace wasmoor::ttrpc {
namespace {

// At most this is read at a time: a dozen requests of the usual kind are some hundred bytes.
constexpr size_t kReadSize = 32 << 10;
// While more than this waits to be sent, nothing is read.
constexpr size_t kPauseAt = 1 << 20;
// Nothing reads at the other end.
constexpr size_t kMostWaiting = 64 << 20;

}  // namespace

Result<std::shared_ptr<Channel>> Channel::Open(loop::Loop& loop, os::Fd socket, Handler& handler) {
  auto channel = std::make_shared<Channel>(loop, std::move(socket), handler);
  channel->source_ = TRY(loop.Watch(channel->socket_));
  // The source is the channel's own, so that none of its callbacks comes after the channel's end.
  channel->source_.OnReadable([self = channel.get()] { self->OnReadable(); });
  channel->reading_ = true;
  return channel;
}

char* Channel::Append(uint32_t stream, FrameType type, size_t length) {
  if (!open() || overflown_) return nullptr;
  if (waiting() + length > kMostWaiting) {
    overflown_ = true;
    FlushSoon();
    return nullptr;
  }
  const size_t before = out_.size();
  out_.resize(before + kHeaderSize + length);
  WriteHeader({.length = static_cast<uint32_t>(length),
               .stream = stream,
               .type = static_cast<uint8_t>(type)},
              out_.data() + before);
  FlushSoon();
  return out_.data() + before + kHeaderSize;
}

// What is to be sent goes when the frames that were read are served, or when the callback under way
// has returned to the loop.
void Channel::FlushSoon() {
  if (serving_ || flush_posted_ || (writing_ && !overflown_)) return;
  flush_posted_ = true;
  loop_.Post([channel = weak_from_this()] {
    const auto self = channel.lock();
    if (!self || !self->open()) return;
    self->flush_posted_ = false;
    self->Flush();
  });
}

void Channel::OnReadable() {
  const auto self = shared_from_this();
  std::array<char, kReadSize> buffer;
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return Lose(Error(Code::kUnavailable, "the connection broke", errno));
  if (got == 0) return Lose(Error(Code::kUnavailable, "the other side closed the connection"));
  Serve({buffer.data(), static_cast<size_t>(got)});
  if (open()) Flush();
}

void Channel::Serve(std::string_view bytes) {
  serving_ = true;
  Frame frame;
  while (open() && !overflown_ && !frozen_ && reader_.Next(&bytes, &frame)) {
    handler_->OnFrame(frame);
    if (open() && waiting() > kPauseAt && (!Send() || waiting() > kPauseAt)) break;
  }
  serving_ = false;
  rest_ = bytes;
}

// Sends what the socket takes. False if it is broken.
bool Channel::Send() {
  while (waiting() > 0) {
    const ssize_t sent =
        ::send(socket_.get(), out_.data() + sent_, waiting(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    sent_ += static_cast<size_t>(sent);
  }
  out_ = std::string();
  sent_ = 0;
  return true;
}

void Channel::Flush() {
  const auto self = shared_from_this();
  while (true) {
    if (!Send()) return Lose(Error(Code::kUnavailable, "the other side closed the connection"));
    if (overflown_)
      return Lose(Error(Code::kResourceExhausted, "the other side does not read its answers"));
    if (rest_.empty() || frozen_ || waiting() > kPauseAt) break;
    Serve(std::exchange(rest_, std::string()));
    if (!open()) return;
  }
  // What is sent does not stay while new is added behind it.
  if (sent_ > out_.size() / 2) out_.erase(0, std::exchange(sent_, 0));
  const bool write = waiting() > 0;
  if (write != std::exchange(writing_, write)) {
    source_.OnWritable(write ? loop::Callback([this] { Flush(); }) : nullptr);
  }
  WatchForReading();
}

void Channel::WatchForReading() {
  const bool read = waiting() <= kPauseAt && !frozen_;
  if (read != std::exchange(reading_, read))
    source_.OnReadable(read ? loop::Callback([this] { OnReadable(); }) : nullptr);
}

void Channel::Freeze() {
  frozen_ = true;
  WatchForReading();
}

void Channel::Thaw() {
  frozen_ = false;
  FlushSoon();
}

void Channel::HandOver(handover::Server::Connection* state, os::Carried* carried) const {
  if (!open() || overflown_) return;
  state->set_socket(carried->Keep(socket_));
  state->set_unread(std::string(reader_.part()) + rest_);
  state->set_unread_oversized(reader_.oversized());
  state->set_unsent(out_.substr(sent_));
}

void Channel::TakeOver(const handover::Server::Connection& state) {
  reader_.Skip(state.unread_oversized());
  rest_ = state.unread();
  out_ = state.unsent();
  FlushSoon();
}

void Channel::Lose(const Error& why) {
  Handler* handler = std::exchange(handler_, nullptr);
  source_ = loop::Source();
  socket_.Close();
  out_ = std::string();
  sent_ = 0;
  if (handler != nullptr) handler->OnLost(why);
}

void Channel::Close() {
  if (!open()) return;
  handler_ = nullptr;
  Send();
  source_ = loop::Source();
  socket_.Close();
}

}  // namespace wasmoor::ttrpc
