#pragma once

#include <string>
#include <string_view>

#include "wasmoor/cgroup/stats.h"

namespace wasmoor::cmd {

// One line each, as `runc events` prints them and callers read them: times in nanoseconds, memory
// in bytes. Swap is what memory and swap are together, on v1 and v2 alike; a limit that is none is
// the largest number; a pids limit of 0 is none.
std::string StatsEvent(std::string_view id, const cgroup::Stats& stats);
std::string OomEvent(std::string_view id);

}  // namespace wasmoor::cmd
