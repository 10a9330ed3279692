#pragma once

#include "wasmoor/container/executor.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::container {

bool HasMemoryLimit(const oci::Linux& config);

// What an instance may use in a container with this memory limit (linux.resources.memory.limit), so
// that a guest that wants more is told so (memory.grow returns -1) before the kernel's limit ends
// it. Of the limit are taken off what its process needs for itself, and the tables' share.
wasm::Limits LimitsOf(const oci::Linux& config);

// The lower of each.
wasm::Limits Within(const GuestBounds& bounds, wasm::Limits limits);

}  // namespace wasmoor::container
