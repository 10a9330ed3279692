#pragma once

#include <pthread.h>

#include <deque>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "wasmoor/http/server.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/serve/server.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::serve {

class Guest;

// What the guests of one thread share. Belongs to its loop's thread.
class Guests : public http::Handler {
 public:
  // Hears what an operator should know: whole lines. Thread-safe.
  using Say = std::function<void(std::string_view)>;
  Guests(loop::Loop& loop, wasm::HttpHandler& handler, const Settings& settings, uint32_t at_once,
         std::string name, Say say);
  ~Guests() override;

  // A guest for a request, which may have to wait for its turn.
  std::unique_ptr<http::Work> Begin(const http::Head& head, http::Exchange& exchange) override;

  // Whether guests that have answered still run.
  bool running() const { return !lingering_.empty(); }
  // Calls `idle` once they do not.
  void OnIdle(std::function<void()> idle);

 private:
  friend class Guest;
  friend class GuestWork;
  void Ended();  // Of one that had its turn.
  void Linger(std::shared_ptr<Guest> guest);
  void Forget(const std::shared_ptr<Guest>& guest);

  loop::Loop& loop_;
  wasm::HttpHandler& handler_;
  const Settings& settings_;
  const uint32_t at_once_;
  const std::string name_;
  const Say say_;
  pthread_t thread_ = ::pthread_self();
  uint32_t running_ = 0;
  std::deque<std::weak_ptr<Guest>> waiting_;
  // They have answered, and work on.
  std::unordered_set<std::shared_ptr<Guest>> lingering_;
  std::function<void()> idle_;
};

// One request's guest: polls it, and carries between it and the exchange what is there to be
// carried.
class Guest : public std::enable_shared_from_this<Guest> {
 public:
  Guest(Guests& guests, http::Exchange& exchange) : guests_(guests), exchange_(&exchange) {}
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;
  ~Guest();

  void Begin(const http::Head& head);  // Now.
  void Wait(const http::Head& head);   // Until TakeTurn.
  void TakeTurn();

  void Pump();
  void Feed(std::string_view part);
  void EndBody(http::Fields trailers);
  void BreakBody();

  // The exchange is over: the client has it all, or is gone.
  void Leave();
  bool answered_whole() const { return body_over_; }
  bool ended() const { return ended_; }
  Guests& guests() { return guests_; }

 private:
  void Poll();
  void Answer();
  void Carry();
  void End();
  void Fail(unsigned status, std::string_view text);
  void Wake();
  void Schedule();
  void PumpAndFlush();
  void SetDeadline();

  Guests& guests_;
  http::Exchange* exchange_;  // Null after Leave.
  std::unique_ptr<wasm::HttpRequest> request_;
  loop::Timer deadline_;
  // Of a request that waits for its turn.
  struct KeptHead {
    std::string method, target;
    std::vector<std::pair<std::string, std::string>> fields;
    bool has_body = false;
  };
  std::unique_ptr<KeptHead> kept_;
  bool has_turn_ = false;
  bool pumping_ = false, again_ = false, scheduled_ = false;
  bool answered_ = false, body_over_ = false, ended_ = false;
};

}  // namespace wasmoor::serve
