#pragma once

#include <cstdint>
#include <span>

#include "wasmoor/os/path.h"

namespace wasmoor::os {

// One instruction of a filter: a struct sock_filter of <linux/filter.h>, as the kernel reads it.
struct FilterInstruction {
  uint16_t code = 0;
  uint8_t if_true = 0, if_false = 0;
  uint32_t k = 0;
  bool operator==(const FilterInstruction&) const = default;
};

// seccomp(2), SECCOMP_SET_MODE_FILTER, for the calling thread and what it starts from now on, for
// good. `flags`: SECCOMP_FILTER_FLAG_*. The descriptor is the listener's if they have NEW_LISTENER,
// and close-on-exec; it is not valid otherwise. EACCES: the thread neither has CAP_SYS_ADMIN in its
// user namespace nor has given up new privileges (PR_SET_NO_NEW_PRIVS). EINVAL: the instructions or
// a flag are not the kernel's. EBUSY: a listener is there already. Allocates nothing.
FdOrErrno InstallFilter(std::span<const FilterInstruction> instructions, uint32_t flags);

// Whether this kernel has all of these SECCOMP_FILTER_FLAG_*. Installs nothing.
bool HasFilterFlags(uint32_t flags);

}  // namespace wasmoor::os
