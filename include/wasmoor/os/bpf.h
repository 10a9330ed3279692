#pragma once

#include <linux/bpf.h>

#include <span>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// Programs that the kernel runs for a control group (bpf(2)). The caller needs CAP_BPF or
// CAP_SYS_ADMIN in the first user namespace.
namespace wasmoor::os {

// Attaches a program that decides about devices to a v2 control group, beside those of others, and
// detaches what an earlier call with the same `name` (at most 15 letters, digits and _) attached.
// The kernel keeps it until the group is removed. kInvalidArgument: its verifier refused the
// program.
Status AttachDeviceProgram(const Fd& group, const char* name, std::span<const bpf_insn> program);

}  // namespace wasmoor::os
