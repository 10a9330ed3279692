#pragma once

#include <sys/types.h>

#include <optional>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

// A pseudo-terminal (pty(7)): the container has `slave`, whoever attaches to it `master`.
struct Terminal {
  os::Fd master, slave;
};

// A new one of the devpts that is mounted at /dev/pts in `root`, so that its name is right inside.
// A process of the container may have put anything there: what is no devpts is refused, and nothing
// is opened but by the kernel's own way from the master (TIOCGPTPEER).
Result<Terminal> OpenTerminal(const os::Fd& root, const std::optional<oci::ConsoleSize>& size);

// Makes `slave` the standard streams and the controlling terminal of this process, which leads a
// session (setsid(2)).
Status TakeTerminal(const os::Fd& slave);

// Gives pipes, sockets and terminals among the standard streams to the container's user, as its
// programs open /dev/stdout anew. Files of the host stay whose they are.
void OwnStreams(uid_t uid);

}  // namespace wasmoor::jail
