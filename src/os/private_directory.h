#pragma once

#include <filesystem>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::os {

// What a directory is for, in the words of errors.
struct PrivateUse {
  std::string_view what;     // "the cache of precompiled modules"
  std::string_view content;  // What others must not replace: "its code"
  std::string_view remedy;   // "choose another directory with WASMOOR_CACHE_DIR"
};

// Opens the directory at `path` (O_PATH) after it has been made sure that nobody but the caller's
// user and root can write it or put another in its place. What does not exist is made, mode 0700.
//
// kPermissionDenied: somebody else can; the message names the path, what is wrong with it and the
// command that mends it. kInvalidArgument: not a directory. Anything else: it cannot be made or
// reached, for the reason in the Error.
Result<Fd> OpenPrivateDirectory(const std::filesystem::path& path, const PrivateUse& use);

}  // namespace wasmoor::os
