#pragma once

#include <linux/bpf.h>

#include <vector>

#include "wasmoor/oci/spec.h"

namespace wasmoor::cgroup {

// The device rules as a program of type BPF_PROG_TYPE_CGROUP_DEVICE (cgroup-v2.rst, "Device
// controller"), which the kernel asks at each mknod and open. Each kind of access is decided by the
// last rule that speaks of it, and allowed if none does, as in a group of v1 that nobody has
// limited.
std::vector<bpf_insn> DeviceProgram(const std::vector<oci::DeviceRule>& rules);

}  // namespace wasmoor::cgroup
