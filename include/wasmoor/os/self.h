#pragma once

#include "wasmoor/base/result.h"

namespace wasmoor::os {

// Sees to it that nobody can write this program's file through /proc/PID/exe, as root in a
// container could who gets this process to execute /proc/self/exe there (CVE-2019-5736): runs the
// program anew, with these arguments and this environment, from a mount of its file that is
// read-only and attached nowhere, or, where none can be made, from a sealed copy in memory. Returns
// only if there is nothing to do (it runs so already, or its user could not write the file at all),
// or if it failed. Descriptors that are not close-on-exec stay open.
Status ProtectSelf(char* const* arguments);

}  // namespace wasmoor::os
