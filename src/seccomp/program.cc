#include "wasmoor/seccomp/program.h"

#include <linux/seccomp.h>

#include <cerrno>

namespace wasmoor::seccomp {

bool Program::listens() const { return (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0; }

Result<os::Fd> Install(const Program& program) {
  auto installed = os::InstallFilter(program.instructions, program.flags);
  if (installed) return *std::move(installed);
  switch (installed.error()) {
    case EACCES:
      return FailErrno(EACCES,
                       "linux.seccomp: the filter cannot be installed without "
                       "process.noNewPrivileges or CAP_SYS_ADMIN");
    case EBUSY:
      return FailErrno(EBUSY, "linux.seccomp: a filter that listens is installed already");
    case EINVAL:
      return FailErrno(EINVAL,
                       "linux.seccomp: the kernel takes no such filter ({} instructions, flags "
                       "{:#x}); linux.seccomp.flags may have one that it does not know",
                       program.instructions.size(), program.flags);
    default: return FailErrno(installed.error(), "linux.seccomp: install the filter");
  }
}

}  // namespace wasmoor::seccomp
