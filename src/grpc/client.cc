#include "wasmoor/grpc/client.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "grpc/session.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::grpc {
namespace {

// At once; and in one callback, so that others have their turn.
constexpr size_t kReadBytes = 16 << 10;
constexpr int kReads = 8;

constexpr std::chrono::milliseconds kFirstPause{1}, kLongestPause{50};

}  // namespace

struct Client::Call {
  Request request;
  OnMessage on_message;
  OnEnd on_end;
  loop::Timer deadline;
  bool started = false;
};

struct Client::Connection {
  os::Fd socket;
  loop::Source source;  // After the descriptor that it watches.
  Session session;
  std::string output;
};

Client::Client(loop::Loop& loop, std::string path)
    : loop_(loop), path_(std::move(path)), alive_(std::make_shared<bool>(true)) {}

Client::~Client() { *alive_ = false; }

void Client::Start(Request request, OnMessage on_message, OnEnd on_end) {
  const uint64_t id = ++last_id_;
  const auto call = std::make_shared<Call>();
  const auto late = [this, id, timeout = request.timeout] {
    if (connection_) connection_->session.Cancel(id);
    Send();
    End(id, tl::unexpected(Named(Error(
                Code::kDeadlineExceeded,
                fmt::format("no answer within {} ms",
                            std::chrono::ceil<std::chrono::milliseconds>(timeout).count())))));
  };
  call->deadline = loop_.After(request.timeout, late);
  call->request = std::move(request);
  call->on_message = std::move(on_message);
  call->on_end = std::move(on_end);
  calls_.emplace(id, call);
  // From the loop, where callbacks may come from.
  if (!later_.pending()) later_ = loop_.After({}, [this] { Connect(); });
}

void Client::Ask(Request request, OnAnswer on_answer) {
  const auto answer = std::make_shared<std::optional<std::string>>();
  const auto take = [answer](std::string_view message) -> Status {
    if (*answer) return Fail(Code::kInternal, "the server sent a second answer to one question");
    *answer = message;
    return {};
  };
  const auto end = [answer, on_answer = std::move(on_answer)](Status status) {
    if (!status) return on_answer(tl::unexpected(std::move(status).error()));
    if (!*answer) return on_answer(Fail(Code::kInternal, "the server sent no answer"));
    on_answer(*std::move(*answer));
  };
  Start(std::move(request), take, end);
}

// Starts what waits, on a connection that it makes if there is none.
void Client::Connect() {
  if (!connection_) {
    auto socket = os::ConnectUnixAtOnce(path_);
    if (!socket && socket.error().error_number() == EAGAIN) {
      // More callers than the server has room for: until it has, or the calls' deadlines pass.
      patience_ = std::clamp<std::chrono::nanoseconds>(patience_ * 2, kFirstPause, kLongestPause);
      later_ = loop_.After(patience_, [this] { Connect(); });
      return;
    }
    patience_ = {};
    if (Status connected = Take(std::move(socket)); !connected) {
      for (auto& [id, call] : calls_) call->started = true;
      return FailStarted(connected.error());
    }
  }
  std::map<uint64_t, Error> refused;
  for (auto& [id, call] : calls_) {
    if (std::exchange(call->started, true)) continue;
    if (Status started = connection_->session.Start(id, call->request); !started)
      refused.emplace(id, std::move(started).error());
  }
  Send();
  const auto alive = alive_;
  for (const auto& [id, error] : refused) {
    End(id, tl::unexpected(Named(error)));
    if (!*alive) return;
  }
}

Status Client::Take(Result<os::Fd> socket) {
  auto connection = std::make_unique<Connection>();
  connection->socket = TRY(std::move(socket));
  connection->source = TRY_AS(loop_.Watch(connection->socket), "{}", path_);
  connection->source.OnReadable([this] { Receive(); });
  connection_ = std::move(connection);
  return {};
}

void Client::Send() {
  if (!connection_) return;
  std::string& output = connection_->output;
  for (;;) {
    if (output.empty()) output = connection_->session.TakeOutput();
    if (output.empty()) return connection_->source.OnWritable(nullptr);
    const ssize_t sent =
        ::send(connection_->socket.get(), output.data(), output.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return connection_->source.OnWritable([this] { Send(); });
    // Who does not listen any more may have said why before: reading comes to its end.
    if (sent < 0) return connection_->source.OnWritable(nullptr);
    output.erase(0, static_cast<size_t>(sent));
  }
}

void Client::Receive() {
  std::array<uint8_t, kReadBytes> buffer;
  std::optional<Error> broken;
  for (int reads = 0; reads < kReads && !broken; ++reads) {
    const ssize_t got = ::recv(connection_->socket.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      broken = Error(Code::kUnavailable, "the server closed the connection before its answer");
    } else if (Status taken =
                   connection_->session.Receive(std::span(buffer).first(static_cast<size_t>(got)));
               !taken) {
      broken = std::move(taken).error();
    }
  }
  Send();
  if (!broken) {
    if (Status sound = connection_->session.Check(); !sound) broken = std::move(sound).error();
  }
  const auto alive = alive_;
  Deliver();
  // Calls that came since are for the next connection.
  if (*alive && broken && connection_) FailStarted(Named(*broken));
}

void Client::Deliver() {
  if (!connection_) return;
  const auto alive = alive_;
  for (Event& event : connection_->session.TakeEvents()) {
    const auto found = calls_.find(event.call);
    if (found == calls_.end()) continue;
    if (!event.message) {
      End(event.call, event.status ? Status() : tl::unexpected(Named(event.status.error())));
    } else {
      const std::shared_ptr<Call> call = found->second;  // The callback may end the client.
      if (Status taken = call->on_message(*event.message); !taken && *alive) {
        connection_->session.Cancel(event.call);
        Send();
        End(event.call, std::move(taken));
      }
    }
    if (!*alive || !connection_) return;
  }
}

// Its number is forgotten before the callback, which may ask for more.
void Client::End(uint64_t id, Status status) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  const std::shared_ptr<Call> call = std::move(found->second);
  calls_.erase(found);
  call->deadline = loop::Timer();
  const auto alive = alive_;
  call->on_end(std::move(status));
  if (*alive && calls_.empty()) connection_.reset();
}

void Client::FailStarted(const Error& error) {
  connection_.reset();
  std::vector<uint64_t> ids;
  for (const auto& [id, call] : calls_) {
    if (call->started) ids.push_back(id);
  }
  const auto alive = alive_;
  for (const uint64_t id : ids) {
    End(id, tl::unexpected(error));
    if (!*alive) return;
  }
}

Error Client::Named(const Error& error) const { return Error(error).WithContext(path_); }

Status Call(const std::string& path, Request request, OnMessage on_message) {
  const auto loop = TRY(loop::Loop::Create());
  Client client(*loop, path);
  std::optional<Status> result;
  client.Start(std::move(request), std::move(on_message), [&](Status status) {
    result = std::move(status);
    loop->Stop();
  });
  loop->Run();
  return *std::move(result);
}

Result<std::string> Call(const std::string& path, Request request) {
  const auto loop = TRY(loop::Loop::Create());
  Client client(*loop, path);
  std::optional<Result<std::string>> result;
  client.Ask(std::move(request), [&](Result<std::string> answer) {
    result = std::move(answer);
    loop->Stop();
  });
  loop->Run();
  return *std::move(result);
}

}  // namespace wasmoor::grpc
