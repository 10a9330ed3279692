#include "wasmoor/grpc/server.h"

#include <utility>

#include "grpc/connection.h"

namespace wasmoor::grpc {

Server::Server(loop::Loop& loop, ServerOptions options)
    : rpc::Server(loop, options.peers,
                  [&loop, most_bytes = options.most_bytes](
                      os::Fd socket, std::weak_ptr<rpc::ConnectionOwner> owner) {
                    return Connection::Open(loop, std::move(socket), most_bytes, std::move(owner));
                  }) {}

}  // namespace wasmoor::grpc
