#pragma once

#include "wasmoor/jail/executor.h"

namespace wasmoor::sandbox {

// What holds a pod's namespaces where no pause container does: a clone of this process that waits
// for SIGTERM or SIGINT, and reaps what a PID namespace leaves to its first process. It handles
// everything that it is asked for.
class HolderExecutor : public jail::Executor {
 public:
  std::string_view name() const override { return "pod"; }
  bool CanHandle(const jail::ProgramRequest&) const override { return true; }
  Result<std::unique_ptr<jail::Preparation>> Prepare(const jail::ProgramRequest&) const override;
};

}  // namespace wasmoor::sandbox
