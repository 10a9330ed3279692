#include "function/lane_jail.h"

#include <sys/prctl.h>

#include <cerrno>

#include "wasmoor/os/capability.h"
#include "wasmoor/seccomp/guest.h"
#include "wasmoor/seccomp/program.h"

namespace wasmoor::function {

Status EnterLaneJail(os::Connections connections, std::span<const os::OpenTree> trees) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return FailErrno(errno, "a guest's thread: no_new_privs");
  // Without the right to, there is nothing to be limited either.
  static_cast<void>(os::LimitBounding(0));
  TRY_AS(os::SetCapabilities({}), "a guest's thread: its capabilities");
  TRY_AS(os::RestrictToTrees(trees, connections), "a guest's thread");
  const auto kind = connections == os::Connections::kAllowed
                        ? seccomp::GuestKind::kThreadClientServer
                        : seccomp::GuestKind::kThreadServer;
  TRY_AS(seccomp::Install(seccomp::GuestProgram(kind)), "a guest's thread: its system calls");
  return {};
}

}  // namespace wasmoor::function
