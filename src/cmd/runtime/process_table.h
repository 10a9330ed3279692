#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// The heading of ps(1)'s output and the lines of it that are about `pids`, by its column PID.
// kInvalidArgument if it has no such column.
Result<std::string> LinesOfProcesses(std::string_view output, std::span<const pid_t> pids);

std::string PidsJson(std::span<const pid_t> pids);  // "[1,2]", one line.

}  // namespace wasmoor::cmd
