#include "jail/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

constexpr std::array kStreams = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};

}  // namespace

Result<Terminal> OpenTerminal(const os::Fd& root, const std::optional<oci::ConsoleSize>& size) {
  Terminal terminal;
  terminal.master = TRY_AS(
      os::OpenInRoot(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, os::Links::kNoLinks),
      "process.terminal: the container needs a devpts mounted at /dev/pts");
  if (TRY(os::StatFilesystem(terminal.master)).f_type != DEVPTS_SUPER_MAGIC)
    return Fail(Code::kFailedPrecondition,
                "process.terminal: what is at /dev/pts in the container is no devpts");
  const int master = terminal.master.get();
  ::fcntl(master, F_SETFL, O_RDWR);
  int locked = 0;
  if (::ioctl(master, TIOCSPTLCK, &locked) != 0) return FailErrno(errno, "process.terminal");
  terminal.slave = os::Fd(::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.slave.valid()) return FailErrno(errno, "process.terminal");
  if (size) {
    const struct winsize window = {.ws_row = size->height, .ws_col = size->width};
    if (::ioctl(master, TIOCSWINSZ, &window) != 0) return FailErrno(errno, "process.consoleSize");
  }
  return terminal;
}

Status TakeTerminal(const os::Fd& slave) {
  if (::ioctl(slave.get(), TIOCSCTTY, 0) != 0)
    return FailErrno(errno, "process.terminal: as the controlling one");
  for (const int stream : kStreams) {
    if (::dup2(slave.get(), stream) < 0) return FailErrno(errno, "process.terminal");
  }
  return {};
}

void OwnStreams(uid_t uid) {
  for (const int stream : kStreams) {
    struct stat status;
    if (::fstat(stream, &status) != 0 || status.st_uid == uid) continue;
    const bool terminal = S_ISCHR(status.st_mode) && ::isatty(stream) == 1;
    // May be refused: by a filesystem, or for an owner that a user namespace does not map.
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || terminal)
      static_cast<void>(::fchown(stream, uid, static_cast<gid_t>(-1)) == 0);
  }
}

}  // namespace wasmoor::jail
