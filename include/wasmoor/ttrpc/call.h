#pragma once

#include <cstddef>

#include "wasmoor/rpc/call.h"

// ttrpc: calls over a stream socket between processes of one machine, what containerd and its shims
// speak (github.com/containerd/ttrpc, PROTOCOL.md). Everything here belongs to the thread of its
// loop.
namespace wasmoor::ttrpc {

using rpc::CallInfo;
using rpc::Clock;
using rpc::Metadata;  // Go's ttrpc writes names in lower case.
using rpc::RawReply;
using rpc::Reply;

// The most that a frame holds: a request or a response with all around its payload.
constexpr size_t kMostInFrame = 4 << 20;

}  // namespace wasmoor::ttrpc
