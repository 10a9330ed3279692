#pragma once

#include <string>
#include <string_view>

#include "cmd/runtime/log.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/task/options.h"

namespace wasmoor::cmd {

// The log of a shim: the FIFO `log` of its first container's bundle, which containerd reads and
// copies to its own. Never waits: what does not fit while containerd is away is dropped, and what
// does, it reads when it is back.
class ShimLog {
 public:
  // Nothing is logged if there is no such FIFO.
  ShimLog(const std::string& bundle, task::LogLevel most, std::string name_space, std::string pod);

  void Write(Level level, std::string_view message) const;

 private:
  os::Fd fifo_;
  task::LogLevel most_;
  std::string keys_;  // " ns=… pod=…"
};

}  // namespace wasmoor::cmd
