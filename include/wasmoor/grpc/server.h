#pragma once

#include <cstddef>

#include "wasmoor/grpc/service.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/rpc/server.h"

namespace wasmoor::grpc {

using rpc::Peers;

struct ServerOptions {
  Peers peers = Peers::kTrusted;
  size_t most_bytes = 4 << 20;  // Of one request; more is answered kResourceExhausted.
};

// Serves unary calls of gRPC: HTTP/2 without TLS, which clients begin at once (RFC 9113, section
// 3.3). What is compressed is answered kUnimplemented. Destroying it says goodbye (GOAWAY).
//
// Memory: an idle connection holds some 30 KiB, most of it nghttp2's, and a call that waits less
// than 1 KiB. A client that does not take its answers from the socket is not read from; one that
// opens no window for them is hung up on when more than 64 MiB wait. One connection has at most
// 65536 calls, a client waits to make more; of requests that have not come whole it has four times
// the most of one.
class Server : public rpc::Server {
 public:
  // Borrows the loop.
  explicit Server(loop::Loop& loop, ServerOptions options = {});
};

}  // namespace wasmoor::grpc
