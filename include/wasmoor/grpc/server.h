#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "wasmoor/base/result.h"
#include "wasmoor/grpc/service.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::grpc {

// Whose calls a server takes. The kernel tells who made a connection (SO_PEERCRED, unix(7)).
enum class Peers : uint8_t {
  kAny,     // Whoever can reach the socket.
  kTrusted  // Root and the user of this process; others are hung up on.
};

struct ServerOptions {
  Peers peers = Peers::kTrusted;
  size_t most_bytes = 4 << 20;  // Of one request; more is answered kResourceExhausted.
};

// Serves unary calls of gRPC on the connections that its sockets take, all on the thread of the
// loop: HTTP/2 without TLS, which clients begin at once (RFC 9113, section 3.3). What is compressed
// is answered kUnimplemented.
//
// Memory: an idle connection holds some 30 KiB, most of it nghttp2's, and a call that waits less
// than 1 KiB. A client that does not take its answers from the socket is not read from; one that
// opens no window for them is hung up on when more than 64 MiB wait. One connection has at most
// 65536 calls, a client waits to make more; of requests that have not come whole it has four times
// the most of one.
//
// Destroying it hangs up on everybody, with a GOAWAY; what was answered is sent first, as far as
// the socket takes it without waiting. A service may do that from within a call.
class Server {
 public:
  explicit Server(loop::Loop& loop, ServerOptions options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Before anybody calls. kAlreadyExists if that name is taken. The second form borrows: the
  // service must outlive the server.
  Status Add(std::unique_ptr<Service> service);
  Status Add(Service& service);

  // Takes connections from a stream socket that listens.
  Status Listen(os::Fd listening);
  // Serves one connection, of whatever kind of stream socket.
  Status Adopt(os::Fd connection);

  size_t connections() const;
  // Calls that wait for their answer, on all connections.
  size_t open_calls() const;

  // As if destroyed, and takes no more connections.
  void Stop();

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace wasmoor::grpc
