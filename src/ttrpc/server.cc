#include "wasmoor/ttrpc/server.h"

#include <utility>

#include "ttrpc/connection.h"

namespace wasmoor::ttrpc {

Server::Server(loop::Loop& loop, Peers peers)
    : rpc::Server(loop, peers, [&loop](os::Fd socket, std::weak_ptr<rpc::ConnectionOwner> owner) {
        return Connection::Open(loop, std::move(socket), std::move(owner));
      }) {}

}  // namespace wasmoor::ttrpc
