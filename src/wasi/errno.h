#pragma once

#include "wasi/abi.h"

namespace wasmoor::wasi {

// The guest's name for an errno(3) of Linux; kIo for one that preview 1 has no name for.
Errno FromLinux(int error_number);

// The same for openat2(2) below a preopen, where EXDEV says that the path leads out: kNotcapable.
Errno FromBeneath(int error_number);

}  // namespace wasmoor::wasi
