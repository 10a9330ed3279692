#include "knative/connection.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "knative/handshake.h"
#include "wasmoor/base/check.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::knative {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr size_t kPart = 16 << 10;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

template <typename Bytes>
Bytes Random() {
  Bytes bytes;
  // At most 256 bytes are never cut short (getrandom(2)).
  CHECK(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return bytes;
}

}  // namespace

Connection::Connection(loop::Loop& loop, const Address& address, std::string_view path,
                       std::chrono::nanoseconds timeout, ConnectionOwner& owner)
    : loop_(loop), address_(address), path_(path), timeout_(timeout), owner_(owner) {
  start_ = loop_.After(std::chrono::nanoseconds(0), [this] { Connect(); });
}

Connection::~Connection() {
  // Not into the middle of a frame.
  if (!is_idle()) return;
  const std::string frame =
      ClientFrame(Opcode::kClose, ClosePayload(CloseCode::kGoingAway), Random<Mask>());
  static_cast<void>(::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL));
}

void Connection::Connect() {
  deadline_ = loop_.After(timeout_, [this] {
    Close(fmt::format(
        "{} within {} ms",
        state_ == State::kConnecting ? "no connection is made" : "the handshake is not answered",
        duration_cast<milliseconds>(timeout_).count()));
  });
  const Status made = MakeSocket();
  if (!made) Close(made.error().message());
}

Status Connection::MakeSocket() {
  socket_ = TRY(os::ConnectTcpAtOnce(address_.socket));
  const int one_byte = 1;
  // Writable is what has nothing left to send, see WaitsInKernel.
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &one_byte, sizeof one_byte);
  source_ = TRY(loop_.Watch(socket_));
  source_.OnWritable([this] { OnConnected(); });
  return {};
}

void Connection::OnConnected() {
  if (const Status made = os::ConnectionMade(socket_); !made) return Close(made.error().message());
  state_ = State::kHandshake;
  key_ = KeyOf(Random<Nonce>());
  out_ = HandshakeRequest(address_.authority, path_, key_);
  source_.OnReadable([this] { Receive(); });
  Flush();
}

void Connection::Send(std::string_view message) {
  CHECK(is_idle());
  received_ = 0;
  is_message_ = true;
  Put(Opcode::kBinary, message);
}

void Connection::Put(Opcode opcode, std::string_view payload) {
  out_ = ClientFrame(opcode, payload, Random<Mask>());
  sent_ = 0;
  Flush();
}

void Connection::Flush() {
  while (sent_ < out_.size()) {
    const ssize_t size =
        ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (size > 0) sent_ += static_cast<size_t>(size);
    if (size >= 0 || errno == EINTR) continue;
    if (errno == EAGAIN) break;
    return Close(FailErrno(errno, "send").value().message());
  }
  if (sent_ == out_.size() && !WaitsInKernel()) {
    source_.OnWritable(nullptr);
    if (is_open()) OnFlushed();
    return;
  }
  source_.OnWritable([this] { Flush(); });
  if (deadline_.pending()) return;
  deadline_ = loop_.After(timeout_, [this] {
    Close(fmt::format("it has not read for {} ms", duration_cast<milliseconds>(timeout_).count()));
  });
}

// Where a peer does not read, the kernel would keep thousands of messages for it, which grow old
// there; and a peer that is gone is told by the same: nothing of it makes room (tcp(7), SIOCOUTQ).
bool Connection::WaitsInKernel() const {
  int unsent = 0;
  return ::ioctl(socket_.get(), SIOCOUTQNSD, &unsent) == 0 && unsent > 0;
}

// A whole frame is gone.
void Connection::OnFlushed() {
  deadline_ = loop::Timer();
  out_.clear();
  if (std::exchange(is_message_, false)) owner_.OnSent();
  if (const auto pong = std::exchange(pong_, std::nullopt)) return Put(Opcode::kPong, *pong);
  owner_.OnIdle();
}

void Connection::Receive() {
  std::array<char, kPart> part;
  const ssize_t size = ::recv(socket_.get(), part.data(), part.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) return Close(FailErrno(errno, "receive").value().message());
  if (size == 0)
    return Close(is_open() ? "it hung up" : "it hung up before it had answered the handshake");
  const std::string_view bytes(part.data(), static_cast<size_t>(size));
  if (state_ == State::kHandshake) return ReceiveHandshake(bytes);
  ReceiveFrames(bytes);
}

void Connection::ReceiveHandshake(std::string_view bytes) {
  const size_t searched = head_.size() < kHeadEnd.size() ? 0 : head_.size() - kHeadEnd.size();
  head_ += bytes;
  const size_t end = head_.find(kHeadEnd, searched);
  if (std::min(end, head_.size()) > kMostHandshake)
    return Close("it answers the handshake without end");
  if (end == std::string::npos) return;
  const std::string head = std::exchange(head_, std::string());
  const size_t size = end + kHeadEnd.size();
  const Status checked = CheckHandshake(std::string_view(head).substr(0, size), key_);
  if (!checked) return Close(checked.error().message());
  if (sent_ < out_.size()) return Close("it answers a handshake that it has not heard");
  state_ = State::kOpen;
  deadline_ = loop::Timer();
  out_.clear();
  owner_.OnOpen();
  // Frames may have come with it.
  if (is_open()) ReceiveFrames(std::string_view(head).substr(size));
}

void Connection::ReceiveFrames(std::string_view bytes) {
  received_ += bytes.size();
  while (is_open()) {
    std::optional<Control> control = reader_.Next(&bytes);
    if (const auto& violation = reader_.violation()) return Break(violation->code, violation->what);
    if (!control) break;
    if (control->opcode == Opcode::kClose) return OnClose(control->payload);
    if (control->opcode != Opcode::kPing) continue;
    if (out_.empty()) {
      Put(Opcode::kPong, control->payload);
    } else {
      pong_ = std::move(control->payload);
    }
  }
  if (is_open() && received_ > kMostBetween)
    Break(CloseCode::kPolicy, "it sends more than a queue-proxy has to say");
}

void Connection::OnClose(const std::string& payload) {
  if (payload.size() == 1) return Break(CloseCode::kProtocolError, "it closes in half a word");
  // The reason's code is sent back (section 5.5.1); it needs none.
  if (out_.empty()) Put(Opcode::kClose, std::string_view(payload).substr(0, 2));
  if (state_ == State::kClosed) return;
  if (payload.empty()) return Close("it closed the connection");
  const unsigned code = static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]);
  const std::string reason = Printable(std::string_view(payload).substr(2));
  Close(fmt::format("it closed the connection: {}{}{}", code, reason.empty() ? "" : " ", reason));
}

void Connection::Break(CloseCode code, std::string_view why) {
  if (out_.empty()) Put(Opcode::kClose, ClosePayload(code));
  Close(why);
}

void Connection::Close(std::string_view why) {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  start_ = loop::Timer();
  deadline_ = loop::Timer();
  source_ = loop::Source();
  socket_.Close();
  out_.clear();
  owner_.OnClosed(why);
}

}  // namespace wasmoor::knative
