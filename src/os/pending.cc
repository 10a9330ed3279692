#include "wasmoor/os/pending.h"

#include <poll.h>

#include <cerrno>

namespace wasmoor::os {

Status WaitReadable(const Fd& descriptor) {
  struct pollfd waiting = {.fd = descriptor.get(), .events = POLLIN, .revents = 0};
  while (::poll(&waiting, 1, -1) < 0) {
    if (errno != EINTR) return FailErrno(errno, "poll");
  }
  return {};
}

}  // namespace wasmoor::os
