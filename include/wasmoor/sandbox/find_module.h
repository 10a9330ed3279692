#pragma once

#include <functional>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::sandbox {

// A module that is no file of a container's root filesystem, as an image that is an artifact has
// it. kNotFound: there is none; any other error is the container's.
using FindModule =
    std::function<void(const std::string& id, const std::string& entrypoint, Done<os::Fd> done)>;

// Asks `find` for what the bundle in `bundle` names as the program of the container `id`, after
// `why` was the answer to a search of its root filesystem. If there is none, that error is told
// with what `find` said; a module that is there and cannot be used is told alone. `done` may be
// called before this returns.
void FindModuleInstead(const FindModule& find, const std::string& id, const std::string& bundle,
                       Error why, Done<os::Fd> done);

}  // namespace wasmoor::sandbox
