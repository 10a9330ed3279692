#pragma once

#include <filesystem>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// Opens the directory at `path` (O_PATH) after it has been made sure that nobody but the caller's
// user and root can write it or put another in its place. What does not exist is made, mode 0700.
//
// kPermissionDenied: somebody else can; the message names the path, what is wrong with it and the
// command that mends it. kInvalidArgument: not a directory. Anything else: it cannot be made or
// reached, for the reason in the Error.
Result<os::Fd> OpenPrivateDirectory(const std::filesystem::path& path);

}  // namespace wasmoor::wasm
