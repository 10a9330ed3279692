#pragma once

#include <functional>
#include <memory>

#include "wasmoor/base/result.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/os/pending.h"

namespace wasmoor::jail {

// Does `work` in a clone of this process that ends with it: what may wait for the kernel or for
// programs of others, where this process may not. Whatever it changes in memory is lost; its
// Warnings come back, or its Error. kAborted: it was killed. Destroying this before its end kills
// it. Needs one thread.
std::unique_ptr<os::Pending<Warnings>> DoAside(std::function<Result<Warnings>()> work);

}  // namespace wasmoor::jail
