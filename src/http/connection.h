#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "wasmoor/http/server.h"

namespace wasmoor::http {

using Clock = std::chrono::steady_clock;

class Connection;

// What connections have of their server.
struct Host {
  Handler& handler;
  const Limits& limits;
  Clock::time_point now;  // To the precision of the server's sweep.
  std::string date;       // Of that moment, as a field's value.
  bool draining = false;
  std::string scratch;  // What is read goes here first.
  // Of bodies in HTTP/2: received, and not read by anybody yet.
  size_t unread = 0;
  std::function<void(Connection&)> remove;  // Destroys the connection.
  // Has it go on (Connection::Resume) soon, and together with what else is there to be done then.
  std::function<void(Connection&)> resume_later;
  // Has it send (Connection::SendNow) then: a client that is woken once finds several answers, and
  // waking it costs more than an answer does.
  std::function<void(Connection&)> send_later;
};

// What a connection waits for its client to do.
enum class Wait : uint8_t {
  kNothing,
  kRequest,  // To begin another one.
  kHead,     // To say the rest of its head.
  kStall,    // To send what it is asked for, or to take what it is sent.
  kGoAway,   // To hear that there is to be no other request.
  kEnd,      // To close its side.
};

// What is spoken on a connection: makes of what comes requests, and of what Works answer what is to
// be sent. Its calls come from the connection, which outlives it.
class Protocol {
 public:
  virtual ~Protocol() = default;

  virtual void Take(std::string_view bytes) = 0;
  // Goes on as far as it can go now; false if the connection is over.
  virtual bool Advance() = 0;
  virtual bool wants_input() const = 0;
  virtual bool wants_turn() const = 0;  // It could go on, and lets others have a turn.

  virtual Wait waits_for() const = 0;
  // What it waits for did not come. False if the connection is over.
  virtual bool GiveUp() = 0;
  // A deadline of its own, beside that of waits_for(): not before this is Expire called.
  virtual Clock::time_point earliest() const { return Clock::time_point::max(); }
  virtual void Expire() {}

  // From now on nothing new is served. False if the connection is over.
  virtual bool Drain() = 0;
  // Gives memory back that is kept for more to do.
  virtual void Trim() = 0;
};

// One client: its socket, what is to be sent to it, and for how long it is waited for.
class Connection {
 public:
  Connection(Host& host, os::Fd socket, loop::Source source);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Whether there is anything for Look at this time.
  bool due() const;
  // Whoever calls one of these may find it destroyed afterwards.
  void Start();
  void Look();  // Something is due.
  void Drain();
  void Resume();  // Its protocol has something to do that came from elsewhere.
  void SendNow();

  // For its protocol.
  Host& host() { return host_; }
  const Limits& limits() const { return host_.limits; }
  std::string_view peer();             // As Head has it.
  std::string& out() { return out_; }  // What is appended to it is sent.
  size_t unsent() const { return out_.size() - sent_; }
  bool Send();      // As much as the client takes. False if the connection broke.
  void SendSoon();  // With what else there is to be sent to others.
  // Nothing is sent any more, which the client is told.
  void EndOutput();
  // What it waits for now is another one of the kind.
  void WaitAnew() {
    wait_ = Wait::kNothing;
    deadline_ = Clock::time_point::max();
  }
  // Speaks something else as soon as Advance returns.
  void Become(std::unique_ptr<Protocol> next) { next_ = std::move(next); }

 private:
  void OnReadable();
  void OnWritable();
  void OnHangup();
  bool Receive();
  bool Advance();
  void Watch();
  void SetDeadline();
  bool rests() const;

  Host& host_;
  const os::Fd socket_;
  loop::Source source_;
  std::optional<std::string> peer_;  // Once somebody has asked.
  std::string out_;                  // To be sent, from sent_ on.
  size_t sent_ = 0;
  Clock::time_point deadline_ = Clock::time_point::max();
  Wait wait_ = Wait::kNothing;
  bool moved_ = false;    // Something was sent or received since deadline_ was set.
  bool trimmed_ = false;  // Nothing moved since memory was given back.
  bool sends_soon_ = false;
  bool reading_ = false, writing_ = false;  // What source_ watches for.
  std::unique_ptr<Protocol> protocol_, next_;
};

}  // namespace wasmoor::http
