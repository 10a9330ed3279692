#include <ctime>

#include "wasi/clock.h"
#include "wasi/functions.h"

namespace wasmoor::wasi {

Reply ClockResGet(Context&, Call& call, uint32_t clock, Ptr resolution) {
  clockid_t linux_clock = 0;
  if (!LinuxClock(clock, &linux_clock)) return Errno::kInval;
  timespec time = {};
  if (clock_getres(linux_clock, &time) != 0) return FromLinux(errno);
  return call.memory.Store(resolution, FromTimespec(time)) ? Errno::kSuccess : Errno::kFault;
}

// The precision that the guest can do with is no matter: the clocks are read without a system call.
Reply ClockTimeGet(Context&, Call& call, uint32_t clock, Timestamp, Ptr time) {
  clockid_t linux_clock = 0;
  if (!LinuxClock(clock, &linux_clock)) return Errno::kInval;
  return call.memory.Store(time, Now(linux_clock)) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace wasmoor::wasi
