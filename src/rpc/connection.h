#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proto/wasmoor/handover.pb.h"
#include "rpc/expiry.h"
#include "rpc/payload.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/carried.h"
#include "wasmoor/rpc/service.h"

namespace wasmoor::rpc {

class Connection;

// One call that a server has not answered yet, held by its connection and by the reply. It is over
// when it has no connection any more.
class OpenCall {
 public:
  Connection* connection = nullptr;
  uint32_t stream = 0;
  std::string name;  // "containerd.task.v2.Task/Create"
  std::optional<Clock::time_point> deadline;
  std::function<void()> on_gone;
  std::function<void(const Error*)> over;              // Of the server's CallHook.
  std::unique_ptr<handover::Server::Call> repeatable;  // What it was asked, if it may be again.
};

// What a server knows, as its connections need it.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  virtual Service* Find(std::string_view name) = 0;
  // As CallHook; empty if nobody is told.
  virtual std::function<void(const Error*)> Begin(const CallInfo& info,
                                                  std::string_view payload) = 0;
  virtual void OnLost(Connection& connection) = 0;
};

// A server's side of one connection: the calls on it that wait. The bytes of a protocol are its
// subclass's, which calls Close when it is destroyed.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Of one connection. gRPC tells it the client, which then waits by itself to make more.
  static constexpr size_t kMostCalls = 65536;

  Connection(loop::Loop& loop, std::weak_ptr<ConnectionOwner> owner);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // Sends what was answered, as far as the socket takes it, hangs up, and ends all calls.
  virtual void Close() = 0;

  // Of a call that is open, which it ends.
  void Answer(OpenCall& call, const Payload& payload);
  void Answer(OpenCall& call, const Error& error);

  size_t open_calls() const { return calls_.size(); }

  // As those of Server. Whoever has bytes of his own to tell does so.
  virtual void Freeze() = 0;
  virtual void Thaw() = 0;
  virtual Status HandOver(handover::Server::Connection* state, os::Carried* carried) const;
  virtual void TakeOver(const handover::Server::Connection& state);

 protected:
  // Put an answer among what is sent soon; neither calls anybody back. An error of the first says
  // what became of an answer that cannot be sent, and was sent in its place if there is a way.
  virtual Status Send(const OpenCall& call, const Payload& payload) = 0;
  virtual void Send(uint32_t stream, const Error& error) = 0;

  // A request has come whole: has its service called, or refuses it. What `info` and `payload`
  // refer to stays valid until it returns; it sets the deadline, which `timeout` says if there is
  // one.
  void Begin(uint32_t stream, CallInfo info, std::optional<std::chrono::nanoseconds> timeout,
             std::string_view payload);
  // Null if there is none.
  std::shared_ptr<OpenCall> Find(uint32_t stream) const;
  // The client does not wait any more. Nothing if there is no such call.
  void GiveUp(uint32_t stream);
  // Ends a call by an error that is the client's doing.
  void Break(OpenCall& call, const Error& error);
  // The connection is gone.
  void EndAll();
  // The same, and tells the owner, which may destroy this.
  void Lose();

 private:
  using Calls = std::map<uint32_t, std::shared_ptr<OpenCall>>;  // By stream.

  void Expire(Clock::time_point now);
  void End(OpenCall& call, const Error* error);

  const std::weak_ptr<ConnectionOwner> owner_;
  Expiry expiry_;
  Calls calls_;
};

}  // namespace wasmoor::rpc
