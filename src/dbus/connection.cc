#include "dbus/connection.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "wasmoor/os/unix_socket.h"

namespace wasmoor::dbus {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswerPatience{25};
constexpr size_t kMaxLineBytes = 16 << 10;  // Of the talk before the first message.

constexpr std::string_view kBusName = "org.freedesktop.DBus";
constexpr std::string_view kBusPath = "/org/freedesktop/DBus";

// A client that does not say who it is, is who the kernel says (SO_PEERCRED): in a user namespace
// it would name itself wrong. The answers need not be waited for: whoever is refused is told so.
using std::string_view_literals::operator""sv;
constexpr std::string_view kHandshake = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"sv;

struct NamedCode {
  std::string_view name;
  Code code;
};
constexpr std::array<NamedCode, 12> kCodes = {{
    {"org.freedesktop.systemd1.NoSuchUnit", Code::kNotFound},
    {"org.freedesktop.systemd1.UnitExists", Code::kAlreadyExists},
    {"org.freedesktop.DBus.Error.AccessDenied", Code::kPermissionDenied},
    {"org.freedesktop.DBus.Error.AuthFailed", Code::kPermissionDenied},
    {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", Code::kPermissionDenied},
    {"org.freedesktop.DBus.Error.ServiceUnknown", Code::kUnavailable},
    {"org.freedesktop.DBus.Error.NameHasNoOwner", Code::kUnavailable},
    {"org.freedesktop.DBus.Error.NoReply", Code::kUnavailable},
    {"org.freedesktop.DBus.Error.Disconnected", Code::kUnavailable},
    {"org.freedesktop.DBus.Error.Spawn.ChildExited", Code::kUnavailable},
    {"org.freedesktop.DBus.Error.InvalidArgs", Code::kInvalidArgument},
    {"org.freedesktop.DBus.Error.Timeout", Code::kDeadlineExceeded},
}};

tl::unexpected<Error> FailAnswer(const Message& answer) {
  auto text = answer.signature.starts_with('s') ? answer.ReadArguments().String()
                                                : Result<std::string>(answer.error);
  Code code = Code::kUnknown;
  for (const NamedCode& one : kCodes) {
    if (one.name == answer.error) code = one.code;
  }
  return Fail(code, "{}", text && !text->empty() ? *text : answer.error);
}

// %41 is 'A' there.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16).ptr == &text[i + 1] + 2) {
      plain += static_cast<char>(value);
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string_view TakeUntil(std::string_view* text, char separator) {
  const size_t end = text->find(separator);
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(end == text->npos ? text->size() : end + 1);
  return part;
}

}  // namespace

Result<Address> ParseAddress(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view one = TakeUntil(&rest, ';');
    if (TakeUntil(&one, ':') != "unix") continue;
    while (!one.empty()) {
      const std::string_view option = TakeUntil(&one, ',');
      constexpr std::string_view kPath = "path=";
      if (option.starts_with(kPath) && option.size() > kPath.size())
        return Address{Unescape(option.substr(kPath.size())), Peer::kBus};
    }
  }
  return Fail(Code::kInvalidArgument, "'{}' is no address of a message bus: need unix:path=/…",
              text);
}

Result<Connection> Connection::Open(const Address& address) {
  auto socket = os::ConnectUnix(address.path);
  if (!socket) {
    const int reason = socket.error().error_number();
    const bool refused = reason == EACCES || reason == EPERM;
    return tl::unexpected(Error(refused ? Code::kPermissionDenied : Code::kUnavailable,
                                socket.error().message(), reason));
  }
  Connection connection(std::move(*socket), address.peer);
  TRY_AS(connection.Greet(), "{}", address.path);
  return connection;
}

Status Connection::Greet() {
  TRY(os::Send(socket_, kHandshake, nullptr));
  const Deadline deadline = Clock::now() + kAnswerPatience;
  for (;;) {
    const std::string line = TRY(ReadLine(deadline));
    if (line.starts_with("OK")) break;
    if (line.starts_with("DATA")) continue;
    return Fail(Code::kPermissionDenied, "the message bus does not take this user: '{}'", line);
  }
  if (peer_ == Peer::kBus) TRY(Ask({kBusName, kBusPath, kBusName, "Hello"}));
  return {};
}

Result<Message> Connection::Ask(const Call& call) {
  const uint32_t serial = ++serial_;
  TRY(os::Send(socket_, Encode(call, serial), nullptr));
  const Deadline deadline = Clock::now() + kAnswerPatience;
  for (;;) {
    Message message = TRY_AS(NextMessage(deadline), "{}", call.member);
    if (message.type == MessageType::kSignal) {
      signals_.push_back(std::move(message));
      continue;
    }
    if (message.reply_to != serial) continue;
    if (message.type == MessageType::kError) return FailAnswer(message);
    if (message.type == MessageType::kReturn) return message;
  }
}

Status Connection::Tell(const Call& call) {
  return os::Send(socket_, Encode(call, ++serial_, Answer::kUnwanted), nullptr);
}

Status Connection::Watch(std::string_view interface, std::string_view member) {
  // A service alone sends its signals to everybody.
  if (peer_ == Peer::kService) return {};
  Writer rule;
  rule.String(fmt::format("type='signal',interface='{}',member='{}'", interface, member));
  return Tell({kBusName, kBusPath, kBusName, "AddMatch", "s", rule.bytes()});
}

Result<Message> Connection::NextSignal(std::chrono::milliseconds patience) {
  const Deadline deadline = Clock::now() + patience;
  while (signals_.empty()) {
    Message message = TRY(NextMessage(deadline));
    if (message.type == MessageType::kSignal) return message;
  }
  Message first = std::move(signals_.front());
  signals_.pop_front();
  return first;
}

Result<Message> Connection::NextMessage(Deadline deadline) {
  while (arrived_.size() < kMessageStartBytes) TRY(ReadMore(deadline));
  const size_t length = TRY(MessageLength(arrived_));
  while (arrived_.size() < length) TRY(ReadMore(deadline));
  Message message = TRY(Decode(std::string_view(arrived_).substr(0, length)));
  arrived_.erase(0, length);
  return message;
}

Result<std::string> Connection::ReadLine(Deadline deadline) {
  size_t end;
  while ((end = arrived_.find("\r\n")) == std::string::npos) {
    if (arrived_.size() > kMaxLineBytes)
      return Fail(Code::kDataLoss, "what listens there is no message bus");
    TRY(ReadMore(deadline));
  }
  std::string line = arrived_.substr(0, end);
  arrived_.erase(0, end + 2);
  return line;
}

Status Connection::ReadMore(Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd wait{socket_.get(), POLLIN, 0};
    const int ready = left.count() <= 0 ? 0 : poll(&wait, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return FailErrno(errno, "wait for the message bus");
    if (ready == 0) return Fail(Code::kDeadlineExceeded, "the message bus does not answer");
    break;
  }
  std::array<char, 4096> buffer;
  const os::Received received = TRY(os::Receive(socket_, buffer));
  if (received.bytes == 0)
    return Fail(Code::kUnavailable, "the message bus has closed the connection");
  arrived_.append(buffer.data(), received.bytes);
  return {};
}

}  // namespace wasmoor::dbus
