#pragma once

#include <cstdint>
#include <span>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::os {

// Restricts the calling thread and all that it starts from now on, for good (landlock(7)): files
// beneath `tree` may be read, written, made, renamed and removed, and none elsewhere; nothing is
// executed; no device, FIFO or socket is made. As far as the kernel's Landlock goes (its ABI): no
// ioctl(2) on devices that are opened later (5), no TCP socket bound, or connected unless
// `connections` says so (4), no signal and no abstract Unix socket of anybody outside (6). What is
// open already stays as it is.
//
// The ABI; 0, and nothing is changed, where the kernel has no Landlock or only the first one
// (before Linux 5.19), which would forbid every rename and link from one directory to another as
// well. kPermissionDenied: needs no_new_privs, or CAP_SYS_ADMIN.
enum class Connections : uint8_t { kNone, kAllowed };
Result<int> RestrictToTree(const Fd& tree, Connections connections = Connections::kNone);

// The same with several trees, or none, some of which are only read.
struct OpenTree {
  const Fd* tree = nullptr;
  enum class Access : uint8_t { kRead, kAll } access = Access::kAll;
};
Result<int> RestrictToTrees(std::span<const OpenTree> trees,
                            Connections connections = Connections::kNone);

}  // namespace wasmoor::os
