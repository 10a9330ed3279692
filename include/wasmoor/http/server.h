#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

// A server of HTTP/1.1 (RFC 9112) and, on the same sockets, of HTTP/2 without TLS (RFC 9113) on one
// thread's loop: it reads requests, hands each to a Handler, and writes what that answers. Who
// answers sees the same whichever is spoken. Bodies stream both ways and are bounded by what the
// other side takes. What is malformed, or could be understood by a proxy otherwise than by us,
// never reaches the Handler. Everything here belongs to the thread of the loop.
namespace wasmoor::http {

struct Field {
  std::string_view name, value;
};
using Fields = std::span<const Field>;

// The head of a request. Valid during Handler::Begin only.
struct Head {
  // The target as it came: "/a?b", "http://host/a", "*"; of CONNECT "host:port".
  std::string_view method, target;
  // All, in their order, as they came. Those of HTTP/2 have lower-case names, Host stands for
  // ":authority", and Cookie is one field (RFC 9113, sections 8.3.1 and 8.2.3).
  Fields fields;
  bool has_body = false;
  // The client's address, without its port; empty on a unix socket.
  std::string_view peer;
  std::string_view protocol = "HTTP/1.1";  // Or "HTTP/1.0", "HTTP/2.0": literals.
};

// Which clients are answered in HTTP/2.
enum class H2c : uint8_t {
  kOff,
  kPriorKnowledge,  // Those that begin with it (RFC 9113, section 3.3).
  // And those that ask for it by Upgrade (RFC 7540, section 3.2) in a request without a body. A
  // proxy that hands on its clients' Upgrade fields lets them past its rules then.
  kOn,
};

struct Limits {
  size_t head_bytes = 64 << 10;  // Of a request line and its fields; beyond: 431.
  uint64_t body_bytes = std::numeric_limits<uint64_t>::max();  // Beyond: 413.
  size_t connections = 10'000;  // At once; whoever comes beyond gets 503.
  // From a request's first byte to the end of its head; beyond: 408.
  std::chrono::milliseconds head_time{10'000};
  std::chrono::milliseconds idle_time{75'000};   // Between requests.
  std::chrono::milliseconds stall_time{30'000};  // Of a body or a response that does not move.
  H2c h2c = H2c::kOn;
  uint32_t streams = 256;  // Of HTTP/2: requests at once on one connection.
};

// What is to become of one request, seen from who answers it. All calls but Flush only note down
// what is to be sent.
class Exchange {
 public:
  // Once. Fields that are the connection's own (Connection, Transfer-Encoding) are left out; a
  // Content-Length is kept and holds.
  virtual void Respond(unsigned status, Fields fields) = 0;
  virtual bool responded() const = 0;
  virtual void Write(std::string_view part) = 0;
  virtual void Finish(Fields trailers) = 0;
  // The rest will never come. What was sent is seen by the client to be incomplete.
  virtual void Abort() = 0;
  // Whether the client has taken enough of what was written for more. Work::OnWritable tells when
  // it has again.
  virtual bool CanWrite() const = 0;
  // Asks for the next part of the request's body: one Work::OnBody, OnBodyEnd or OnBodyBroken
  // follows, maybe at once.
  virtual void ReadBody() = 0;
  // Sends. The last thing that a Work does when it was not called by the connection: this may
  // destroy the Work.
  virtual void Flush() = 0;

 protected:
  ~Exchange() = default;
};

// Who answers one request. Destroyed when the response is finished, and also before, when the
// client is gone.
class Work {
 public:
  virtual ~Work() = default;
  virtual void Run() = 0;  // Once, after Begin.
  virtual void OnBody(std::string_view part) = 0;
  virtual void OnBodyEnd(Fields trailers) = 0;
  virtual void OnBodyBroken() = 0;
  virtual void OnWritable() = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // The exchange outlives the work.
  virtual std::unique_ptr<Work> Begin(const Head& head, Exchange& exchange) = 0;
};

class Server {
 public:
  // The loop and the handler outlive it.
  Server(loop::Loop& loop, Handler& handler, Limits limits);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();  // Ends every connection as it stands.

  // Takes a connection that does not block.
  void Serve(os::Fd connection);

  // Ends connections that wait for a request, now, and the others after their response; those of
  // HTTP/2 when their client has heard that and what it had begun is answered. Calls `drained` from
  // the loop once there is none left.
  void Drain(std::function<void()> drained);

  size_t connections() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::http
