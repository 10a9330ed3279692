#pragma once

#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/function/catalog/granting.h"
#include "wasmoor/os/landlock.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::function {

// The same directory with a descriptor of its own: each guest closes what it has.
Result<wasi::Preopen> CopyOf(const wasi::Preopen& preopen);

// What a thread may reach whose guest is granted this; borrows the descriptors.
std::vector<os::OpenTree> TreesOf(const Granted& granted);

}  // namespace wasmoor::function
