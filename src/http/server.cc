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
    host.resume_later = [this](Connection& connection) { ResumeLater(connection); };
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
    std::erase(resuming, &connection);
    connections.erase(&connection);
    if (host.draining) TellIfDrained();
  }

  // Answers that several streams have at once are sent together.
  void ResumeLater(Connection& connection) {
    if (std::find(resuming.begin(), resuming.end(), &connection) != resuming.end()) return;
    resuming.push_back(&connection);
    if (std::exchange(posted, true)) return;
    loop.Post([this, lives = std::weak_ptr<const bool>(alive)] {
      if (!lives.expired()) Resume();
    });
  }

  void Resume() {
    posted = false;
    for (size_t left = resuming.size(); left > 0 && !resuming.empty(); --left) {
      Connection* const next = resuming.back();
      resuming.pop_back();
      next->Resume();
    }
  }

  void TellIfDrained() {
    if (!connections.empty() || !drained) return;
    loop.Post(std::exchange(drained, nullptr));
  }

  loop::Loop& loop;
  const Limits limits;
  Host host;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections;
  std::vector<Connection*> resuming;
  bool posted = false;  // Resume is.
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
