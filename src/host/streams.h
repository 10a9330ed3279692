#pragma once

#include <string>
#include <vector>

#include "proto/wasmoor/host.pb.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::host {

// The standard streams of one guest, in its thread's own descriptor table. A FIFO is open for
// reading here as long as the guest lives, so that nothing is lost while its reader is away and no
// write meets a broken pipe.
class GuestStreams {
 public:
  // `streams`: input, output and error; `given`: the descriptors of those that are given, in that
  // order, of which as many are taken. kInvalidArgument: neither a FIFO nor a device.
  static Result<GuestStreams> Open(const google::protobuf::RepeatedPtrField<Stream>& streams,
                                   std::vector<os::Fd>* given);

  // Descriptors of their own for the guest.
  Status Grant(wasi::Grants* grants) const;

  // For what is said of the guest beside what it says.
  const os::Fd& output() const { return writers_[0]; }
  const os::Fd& error() const { return writers_[1]; }

  // The guest has ended. Closes what is not needed any more; true if nobody has a stream open for
  // reading: then this must stay until somebody has, who then keeps what is in it, and lets those
  // in who wait in their open(2) for a writer.
  bool End();

 private:
  os::Fd input_;
  os::Fd writers_[2], readers_[2];  // Of the output and the error; no reader where it is no FIFO.
};

}  // namespace wasmoor::host
