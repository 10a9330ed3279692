#pragma once

#include <sys/types.h>

#include "wasmoor/base/result.h"

namespace wasmoor::jail {

// Returns twice, as fork(2), which it is: the new process goes on for itself, in a session of its
// own and with /dev/null as its standard streams. Whoever waits for the end of its starter's output
// does not wait for it. Needs one thread; what the new one shall not have of ours is for the caller
// to close.
Result<pid_t> SpawnDaemon();

}  // namespace wasmoor::jail
