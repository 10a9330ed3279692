#pragma once

#include "container/selection.h"
#include "wasmoor/base/result.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/program/source.h"

namespace wasmoor::container {

// Whether it is WebAssembly's: a container that is marked, a program that is by its content; in a
// container of WebAssembly, everything. An error: the program cannot be looked at, and why.
Result<bool> IsForWasm(const jail::ProgramRequest& request);

// The file of the program that `entry` names. kInvalidArgument: it is none that an engine could
// load, and why it was taken for one.
Result<program::Source> OpenProgram(const jail::ProgramRequest& request, const Entrypoint& entry);

}  // namespace wasmoor::container
