#pragma once

#include <memory>

#include "cmd/shim_line/shim_line.h"

namespace wasmoor::cmd {

// bin/containerd-shim-wasmtimed-v1: a shim of containerd for the runtime
// io.containerd.wasmtimed.v1. It serves nothing and knows no engine: it asks the daemon of the
// node, containerd-wasmtimed, for a sandbox and ends.
std::unique_ptr<ShimLine> MakeWasmtimedShim();

std::unique_ptr<Command> MakeStartSandbox(Executable& shim);
std::unique_ptr<Command> MakeDeleteSandbox(Executable& shim);
std::unique_ptr<Command> MakeTellInfo(Executable& shim);

}  // namespace wasmoor::cmd
