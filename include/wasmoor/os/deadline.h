#pragma once

#include <chrono>

#include "wasmoor/base/result.h"

namespace wasmoor::os {

// Ends this process `after` from now, whatever it does then, with exit status `status`. First
// `on_expiry` is called, on an interrupted thread: it may only do what signal-safety(7) allows. For
// a process that runs one guest; a process that runs many keeps their deadlines in the engine.
// Takes SIGALRM and the process's ITIMER_REAL for itself. Call at most once.
Status EndProcessAfter(std::chrono::nanoseconds after, int status, void (*on_expiry)());

}  // namespace wasmoor::os
