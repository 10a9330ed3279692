#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "knative/address.h"
#include "knative/frame.h"
#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::knative {

// Who has a connection. It may not destroy it in these calls.
class ConnectionOwner {
 public:
  virtual void OnOpen() = 0;
  virtual void OnSent() = 0;  // A message has left this machine's queue.
  virtual void OnIdle() = 0;  // Another one may be sent.
  // Once, and the last call: a sentence without a subject and an end.
  virtual void OnClosed(std::string_view why) = 0;

 protected:
  ~ConnectionOwner() = default;
};

// The client's end of one WebSocket (RFC 6455), from connecting on: sends short binary messages,
// one at a time, and takes nothing but what the protocol itself wants answered. Written by hand:
// Boost.Beast's needs an executor with timers of Asio's, which the loop does not show, and where it
// blocks it cannot go on without one. Loop thread only.
//
// `timeout` is for connecting and the handshake together, and for a message to be taken. A peer
// that sends more than kMostBetween bytes between two of our messages, or anything that is no
// WebSocket, is hung up on. Destroying an open one says goodbye (1001), and does not wait.
class Connection {
 public:
  static constexpr uint64_t kMostBetween = 64 << 10;

  // Nobody is called before this has returned. All outlive the connection.
  Connection(loop::Loop& loop, const Address& address, std::string_view path,
             std::chrono::nanoseconds timeout, ConnectionOwner& owner);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  bool is_open() const { return state_ == State::kOpen; }
  // Whether a message may be sent: none waits, neither here nor in the kernel, to be sent.
  bool is_idle() const { return is_open() && out_.empty(); }
  // At most kMostControl bytes.
  void Send(std::string_view message);

 private:
  enum class State : uint8_t { kConnecting, kHandshake, kOpen, kClosed };

  void Connect();
  Status MakeSocket();
  void OnConnected();
  void Put(Opcode opcode, std::string_view payload);
  void Flush();
  bool WaitsInKernel() const;
  void OnFlushed();
  void Receive();
  void ReceiveHandshake(std::string_view bytes);
  void ReceiveFrames(std::string_view bytes);
  void OnClose(const std::string& payload);
  void Break(CloseCode code, std::string_view why);
  void Close(std::string_view why);

  loop::Loop& loop_;
  const Address& address_;
  const std::string path_;
  const std::chrono::nanoseconds timeout_;
  ConnectionOwner& owner_;
  State state_ = State::kConnecting;
  os::Fd socket_;
  loop::Source source_;  // Destroyed before what it watches.
  std::string key_;
  std::string head_;  // Of the server's answer to the handshake.
  FrameReader reader_{kMostBetween};
  uint64_t received_ = 0;  // Since the last message of ours.
  std::string out_;        // A frame, or the request of the handshake,
  size_t sent_ = 0;        // and how much of it is gone.
  bool is_message_ = false;
  std::optional<std::string> pong_;  // The newest ping's, which alone is answered.
  loop::Timer start_, deadline_;
};

}  // namespace wasmoor::knative
