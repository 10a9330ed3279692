#pragma once

#include "wasi/buffers.h"
#include "wasi/descriptor.h"
#include "wasi/reply.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasi/context.h"

// Reading and writing at a descriptor's own position, with the guest's idea of blocking: a file
// that others share keeps its O_NONBLOCK as it is, whatever the guest asked for.
namespace wasmoor::wasi {

Reply ReadStream(Context& context, const hostcall::Call& call, Descriptor& descriptor,
                 const Buffers& buffers, int64_t* count);
Reply WriteStream(Context& context, const hostcall::Call& call, Descriptor& descriptor,
                  const Buffers& buffers, int64_t* count);

// Waits until poll(2) reports one of `events`, an error or a hangup.
Reply WaitFor(Context& context, const hostcall::Call& call, const os::Fd& file, short events);

}  // namespace wasmoor::wasi
