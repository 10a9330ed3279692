#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

// gRPC for a caller who asks a local server now and then: unary and server-streaming calls over a
// unix socket. Source of the protocol: gRPC's "PROTOCOL-HTTP2" and RFC 9113 (HTTP/2, which nghttp2
// does). Messages are bytes; who knows their type encodes and decodes them. Nothing is compressed.
namespace wasmoor::grpc {

struct Request {
  std::string method;   // "/containerd.services.images.v1.Images/Get"
  std::string message;  // Encoded.
  // Names in lower case; values as HTTP allows them.
  std::vector<std::pair<std::string, std::string>> metadata;
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);  // Of all of it, also connecting.
  size_t most_bytes = 4 << 20;                                  // Of one message of the answer.
};

// A message of the answer, valid during the call of it. An Error ends the call with that.
using OnMessage = std::function<Status(std::string_view)>;
// How a call ended, after all of its messages. An Error has the server's code and text. Of our own:
// kUnavailable: nobody listens, or the connection was lost; kDeadlineExceeded: no answer in time;
// kResourceExhausted: more than `most_bytes`, or endless headers; kInternal: not gRPC.
using OnEnd = std::function<void(Status)>;
using OnAnswer = std::function<void(Result<std::string>)>;

// Calls of one server. There is a connection while there are calls, which share it, and none
// otherwise. Loop thread only. Callbacks come from the loop, never from Start or Ask, and may do
// anything, also destroy the client, which ends its calls without a callback.
class Client {
 public:
  // `path` is the socket's. Borrows the loop.
  Client(loop::Loop& loop, std::string path);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Start(Request request, OnMessage on_message, OnEnd on_end);
  // Of a call that has one message as its answer; kInternal if it has none or more.
  void Ask(Request request, OnAnswer on_answer);

  bool connected() const { return connection_ != nullptr; }

 private:
  struct Call;
  struct Connection;

  void Connect();
  Status Take(Result<os::Fd> socket);
  void Send();
  void Receive();
  void Deliver();
  void FailStarted(const Error& error);
  void End(uint64_t id, Status status);
  Error Named(const Error& error) const;

  loop::Loop& loop_;
  const std::string path_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::shared_ptr<Call>> calls_;
  std::unique_ptr<Connection> connection_;
  loop::Timer later_;
  std::chrono::nanoseconds patience_{0};  // Until the next try to connect.
  const std::shared_ptr<bool> alive_;     // Seen by what may outlive this.
};

// The same for who has no loop: waits for the end of the call.
Status Call(const std::string& path, Request request, OnMessage on_message);
Result<std::string> Call(const std::string& path, Request request);

}  // namespace wasmoor::grpc
