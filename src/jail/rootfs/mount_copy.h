#pragma once

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

// Copies what lies in the directory `from`, with owners, modes and times, into the empty directory
// `to` ("tmpcopyup"). Mounts below `from` are not entered, symbolic links are copied as links and
// never followed.
Status CopyTree(const os::Fd& from, const os::Fd& to);

}  // namespace wasmoor::jail
