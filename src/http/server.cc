#include "wasmoor/http/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <ctime>
#include <unordered_map>
#include <utility>
#include <vector>

#include "http/connection.h"

namespace wasmoor::http {
namespace {

constexpr std::chrono::milliseconds kSweep{500};
constexpr size_t kScratch = 64 << 10;
constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: "
    "close\r\n\r\n";

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
std::string DateText() {
  const std::time_t now = std::time(nullptr);
  struct tm parts = {};
  ::gmtime_r(&now, &parts);
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday],
                     parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour,
                     parts.tm_min, parts.tm_sec);
}

}  // namespace

struct Server::Parts {
  Parts(loop::Loop& on, Handler& handler, Limits of)
      : loop(on), limits(of), host{.handler = handler, .limits = limits} {
    host.scratch.resize(kScratch);
    host.remove = [this](Connection& connection) { Remove(connection); };
    host.resume_later = [this](Connection& connection) { Later(connection, &resuming); };
    host.send_later = [this](Connection& connection) { Later(connection, &sending); };
    Look();
  }

  // The time, for everybody.
  void Look() {
    host.now = Clock::now();
    host.date = DateText();
  }

  // Runs as long as there are connections.
  void Sweep() {
    Look();
    std::vector<Connection*> due;
    for (const auto& [connection, owner] : connections) {
      if (connection->due()) due.push_back(connection);
    }
    for (Connection* connection : due) {
      // One may have been the end of another.
      if (connections.contains(connection)) connection->Look();
    }
    if (!connections.empty()) Rearm();
  }

  void Rearm() {
    sweep = loop.After(kSweep, [this] { Sweep(); });
  }

  void Remove(Connection& connection) {
    for (auto* some : {&resuming, &sending, &at_hand})
      std::replace(some->begin(), some->end(), &connection, static_cast<Connection*>(nullptr));
    connections.erase(&connection);
    if (host.draining) TellIfDrained();
  }

  void Later(Connection& connection, std::vector<Connection*>* some) {
    if (some == &resuming && std::find(some->begin(), some->end(), &connection) != some->end())
      return;
    some->push_back(&connection);
    if (std::exchange(put_off, true)) return;
    loop.AfterRound([this, lives = std::weak_ptr<const bool>(alive)] {
      if (!lives.expired()) EndRound();
    });
  }

  void EndRound() {
    put_off = false;
    // What goes on may have something to send.
    HaveAll(&resuming, &Connection::Resume);
    HaveAll(&sending, &Connection::SendNow);
  }

  // Each may be the end of others, and have some put off again.
  void HaveAll(std::vector<Connection*>* some, void (Connection::*go)()) {
    at_hand.swap(*some);
    for (size_t i = 0; i < at_hand.size(); ++i) {
      if (at_hand[i] != nullptr) (at_hand[i]->*go)();
    }
    at_hand.clear();
  }

  void TellIfDrained() {
    if (!connections.empty() || !drained) return;
    loop.Post(std::exchange(drained, nullptr));
  }

  loop::Loop& loop;
  const Limits limits;
  Host host;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections;
  // At the end of the loop's round; null: removed meanwhile.
  std::vector<Connection*> resuming, sending;
  std::vector<Connection*> at_hand;  // Of one of these.
  bool put_off = false;              // EndRound is.
  const std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  loop::Timer sweep;
  std::function<void()> drained;
};

Server::Server(loop::Loop& loop, Handler& handler, Limits limits)
    : parts_(std::make_unique<Parts>(loop, handler, limits)) {}
Server::~Server() = default;

size_t Server::connections() const { return parts_->connections.size(); }

void Server::Serve(os::Fd connection) {
  Parts& parts = *parts_;
  if (parts.connections.size() >= parts.limits.connections || parts.host.draining) {
    (void)::send(connection.get(), kTooMany.data(), kTooMany.size(), MSG_NOSIGNAL);
    return;
  }
  auto source = parts.loop.Watch(connection);
  if (!source) return;
  if (parts.connections.empty()) {
    parts.Look();
    parts.Rearm();
  }
  auto one = std::make_unique<Connection>(parts.host, std::move(connection), *std::move(source));
  Connection& started = *one;
  parts.connections.emplace(&started, std::move(one));
  started.Start();
}

void Server::Drain(std::function<void()> drained) {
  Parts& parts = *parts_;
  parts.host.draining = true;
  parts.drained = std::move(drained);
  std::vector<Connection*> all;
  for (const auto& [connection, owner] : parts.connections) all.push_back(connection);
  for (Connection* connection : all) {
    if (parts.connections.contains(connection)) connection->Drain();
  }
  parts.TellIfDrained();
}

}  // namespace wasmoor::http
