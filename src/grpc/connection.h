#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "grpc/server_session.h"
#include "wasmoor/grpc/service.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::grpc {

class Connection;

// One call that a server has not answered yet, held by its connection and by the reply. It is over
// when it has no connection any more.
class OpenCall {
 public:
  Connection* connection = nullptr;
  int32_t stream = 0;
  std::string name;  // "containerd.services.sandbox.v1.Controller/Create"
  std::function<void()> on_gone;
};

// A server's side of one connection.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // What the server knows, as its connections need it.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual Service* Find(std::string_view name) = 0;
    virtual void OnLost(Connection& connection) = 0;
  };

  static Result<std::shared_ptr<Connection>> Open(loop::Loop& loop, os::Fd socket,
                                                  size_t most_bytes, std::weak_ptr<Owner> owner);
  Connection(loop::Loop& loop, os::Fd socket, size_t most_bytes, std::weak_ptr<Owner> owner);
  ~Connection() { Close(); }

  // Sends what was answered, as far as the socket takes it, hangs up, and ends all calls.
  void Close();

  void Answer(OpenCall& call, std::string_view message);
  void Answer(OpenCall& call, const Error& error);

  size_t open_calls() const { return calls_.size(); }

 private:
  struct Held {
    std::shared_ptr<OpenCall> call;
    loop::Timer deadline;
  };

  bool open() const { return socket_.valid(); }
  void OnReadable();
  void Grant(Wish wish);
  void Begin(int32_t stream, Incoming request);
  void GiveUp(int32_t stream);
  void FlushSoon();
  void Flush();
  bool Send();
  void Lose();
  void EndAll();

  loop::Loop& loop_;
  const std::weak_ptr<Owner> owner_;
  os::Fd socket_;
  loop::Source source_;  // After the descriptor that it watches.
  ServerSession session_;
  std::map<int32_t, Held> calls_;  // By stream.
  std::string output_;
  size_t sent_ = 0;
  bool serving_ = false, flush_posted_ = false, blocked_ = false;
};

}  // namespace wasmoor::grpc
