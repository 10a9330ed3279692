#pragma once

#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::function {

// Opens a file by a path below a directory that others may write, to be read. Symbolic links are
// followed as long as they stay below it. What is no regular file is not opened, which could wait,
// or do something: it comes as O_PATH, for its kind to be told. kNotFound: there is nothing;
// kInvalidArgument: a link leads out. Messages begin with `name`.
Result<os::Fd> OpenFileBeneath(const os::Fd& directory, const std::string& path,
                               std::string_view name);

// The content of what that gave. kInvalidArgument: it is no regular file, or has more bytes.
Result<std::string> ReadRegular(const os::Fd& file, uint64_t max_bytes, std::string_view name);

}  // namespace wasmoor::function
