#pragma once

#include "wasmoor/rpc/service.h"

// What a server of gRPC offers: unary calls, each of one message and one answer, as any server
// does.
namespace wasmoor::grpc {

using rpc::CallInfo;
using rpc::Clock;
using rpc::Metadata;
using rpc::RawReply;
using rpc::Reply;
using rpc::Service;
using rpc::Unimplemented;

}  // namespace wasmoor::grpc
