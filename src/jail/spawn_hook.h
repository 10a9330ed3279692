#pragma once

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/clone.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

// Executes a hook: `input` is its standard input, `output` its output and its errors; it has its
// own arguments and environment, a process group of its own and no descriptor of this process's. It
// is killed with this process: nobody would wait for it, or keep its time, any more. The caller
// reaps it. An error also if it cannot be executed. Needs one thread.
Result<os::Cloned> SpawnHook(const oci::Hook& hook, const os::Fd& input, const os::Fd& output);

}  // namespace wasmoor::jail
