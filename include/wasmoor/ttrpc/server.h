#pragma once

#include "wasmoor/loop/loop.h"
#include "wasmoor/rpc/server.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::ttrpc {

using rpc::CallHook;
using rpc::Peers;

// Serves calls of ttrpc.
//
// Memory: an idle connection holds no buffer. A client that does not read its answers is not read
// from while more than 1 MiB of them wait, and is hung up on when that are more than 64 MiB; one
// with more than 65536 calls open is answered kResourceExhausted.
class Server : public rpc::Server {
 public:
  // Borrows the loop.
  explicit Server(loop::Loop& loop, Peers peers = Peers::kTrusted);
};

}  // namespace wasmoor::ttrpc
