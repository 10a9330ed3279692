#include "jail/spawn_daemon.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "wasmoor/os/file.h"

namespace wasmoor::jail {

Result<pid_t> SpawnDaemon() {
  const os::Fd nothing = TRY(os::OpenAt(os::Fd(), "/dev/null", O_RDWR));
  // Not os::Clone: this one lives long, and the C library must know who it is (abort(3)).
  const pid_t pid = ::fork();
  if (pid < 0) return FailErrno(errno, "fork");
  if (pid > 0) return pid;
  ::setsid();  // Cannot fail in a new process, which leads no group.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    ::dup2(nothing.get(), stream);
  return 0;
}

}  // namespace wasmoor::jail
