#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/sandbox/sandbox.h"

// How a container's first process ended, noted in its bundle (BUNDLE/exit: its number, its status,
// the time in nanoseconds since 1970) for whoever clears up after a sandbox that was killed.
namespace wasmoor::sandbox {

Status WriteExitNote(const std::string& bundle, pid_t pid, const Exit& exit);

// Nothing if there is none, or none that can be read.
std::optional<Exit> ReadExitNote(const std::string& bundle);

}  // namespace wasmoor::sandbox
