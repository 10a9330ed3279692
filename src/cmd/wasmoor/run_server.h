#pragma once

#include "cmd/wasmoor/run_options.h"
#include "wasmoor/base/result.h"
#include "wasmoor/program/source.h"

namespace wasmoor::cmd {

// wasmoor run of a component that serves HTTP: until SIGTERM or SIGINT. The exit status.
Result<int> RunServer(const RunFlags& flags, const program::Source& source);

}  // namespace wasmoor::cmd
