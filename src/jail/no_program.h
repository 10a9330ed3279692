#pragma once

#include <memory>

#include "wasmoor/jail/executor.h"

namespace wasmoor::jail {

// config.md, "process", is needed by `start` only: without one a container is made, and deleted,
// like any other. Started, its process ends at once with status 0, and `start` says that there was
// nothing to run: an error that leaves the container as it was is what the specification has
// (runtime.md, "Start"), and what its validation program takes for a failure.
inline constexpr const char* kNoExecutor = "none";
std::unique_ptr<Program> MakeNoProgram();

}  // namespace wasmoor::jail
