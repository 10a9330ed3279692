#pragma once

#include "cgroup/tree.h"
#include "wasmoor/cgroup/stats.h"

namespace wasmoor::cgroup {

// What the controllers of the group's branches have counted; a file that is not there is 0.
Stats ReadTreeStats(const Tree& tree);

}  // namespace wasmoor::cgroup
