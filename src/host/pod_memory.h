#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "wasmoor/cgroup/root.h"

namespace wasmoor::host {

// The limit of memory, in bytes, that the group above a container's own has (linux.cgroupsPath):
// that of its pod, where a kubelet keeps one. None where there is none, or no such group. The
// kernel does not hold guests to it, which are threads of a process in another group.
std::optional<uint64_t> MemoryLimitOfPod(const cgroup::Root& root, const std::string& cgroups_path);

}  // namespace wasmoor::host
