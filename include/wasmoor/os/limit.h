#pragma once

#include <sys/types.h>

#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/features.h"

namespace wasmoor::os {

// The resource of getrlimit(2) that is called "RLIMIT_NOFILE". kInvalidArgument if there is none.
Result<int> ParseLimitName(std::string_view name);

// Sets both limits of a process; 0: this one. kPermissionDenied: a hard limit is raised only with
// CAP_SYS_RESOURCE in the initial user namespace; the message has the present ones.
Status SetLimit(pid_t process, int resource, const ResourceLimit& limit);

}  // namespace wasmoor::os
