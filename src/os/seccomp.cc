#include "wasmoor/os/seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace wasmoor::os {

// The span is handed to the kernel as it is.
static_assert(sizeof(FilterInstruction) == sizeof(sock_filter));
static_assert(offsetof(FilterInstruction, if_true) == offsetof(sock_filter, jt));
static_assert(offsetof(FilterInstruction, k) == offsetof(sock_filter, k));

FdOrErrno InstallFilter(std::span<const FilterInstruction> instructions, uint32_t flags) {
  if (instructions.size() > BPF_MAXINSNS) return tl::unexpected(EINVAL);
  auto* const first = const_cast<FilterInstruction*>(instructions.data());
  const struct sock_fprog program = {.len = static_cast<unsigned short>(instructions.size()),
                                     .filter = reinterpret_cast<sock_filter*>(first)};
  const long answer = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  if (answer < 0) return tl::unexpected(errno);
  // With TSYNC a positive answer is the id of a thread that could not follow.
  if ((flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) == 0) {
    if (answer > 0) return tl::unexpected(ESRCH);
    return Fd();
  }
  return Fd(static_cast<int>(answer));
}

// The kernel looks at the flags first, and then for the filter, which is nowhere (seccomp(2)).
bool HasFilterFlags(uint32_t flags) {
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr) < 0 && errno == EFAULT;
}

}  // namespace wasmoor::os
