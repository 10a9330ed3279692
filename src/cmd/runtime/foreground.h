#pragma once

#include <signal.h>

#include "wasmoor/base/result.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cmd {

// A container's process in the place of this one, for whoever waits for `run` or `exec`: it gets
// the signals that are sent here, and this one's terminal if it has one of its own.
class Foreground {
 public:
  // From here on signals wait, so that none is lost and none ends this process alone. The terminal
  // is in raw mode until the object that is made of it is gone.
  static Result<Foreground> Begin();

  // Until the process has ended: its status as a shell has it, the exit status or 128 and the
  // signal.
  Result<int> Wait(const jail::Started& started) const;

 private:
  explicit Foreground(os::Fd signals) : signals_(std::move(signals)) {}
  os::Fd signals_;
};

}  // namespace wasmoor::cmd
