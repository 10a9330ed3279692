#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::container {

using Variables = std::vector<std::pair<std::string, std::string>>;

// process.env as a guest has it: what has no name or no '=' is left out. A process that does not
// start in "/" is told where it is by PWD, if nobody else told it: it cannot ask.
Variables EnvironmentOf(std::span<const std::string> variables, const std::string& cwd);

// Opens what the guest of this process gets of its root: to be called in the container, in its
// working directory and with its user's rights.
//
// "/" comes first. A process that starts elsewhere has besides it each directory in the root by its
// own name and at last its working directory as ".": wasi-libc takes a path, absolute or not, below
// the preopen with the longest name that it begins with, and of two equal ones the last. So
// relative paths lead to the working directory, and absolute ones of more than one component to
// where they should; without it a relative path would start in the root.
Result<std::vector<wasi::Preopen>> OpenTree();

// The listening sockets that socket activation handed over: descriptors 3 and on, as many as
// LISTEN_FDS says (sd_listen_fds(3)). What is no listening socket is left alone.
std::vector<wasi::Listener> TakeListeners(const Variables& environment);

// Our WASI opens no file of a procfs for writing. That of components is the engine's, and would:
// kFailedPrecondition if one of these is such a mount. In the container.
Status RefuseWritableProcfs(std::span<const std::string> mounts);

}  // namespace wasmoor::container
