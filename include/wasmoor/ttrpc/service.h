#pragma once

#include "wasmoor/rpc/service.h"
#include "wasmoor/ttrpc/call.h"

// What a server of ttrpc offers is what any server does.
namespace wasmoor::ttrpc {

using rpc::Alias;
using rpc::Dispatch;
using rpc::NotARequest;
using rpc::Parse;
using rpc::Service;
using rpc::Unimplemented;

}  // namespace wasmoor::ttrpc
