#pragma once

#include <cerrno>

#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasmoor/hostcall/function.h"

namespace wasmoor::wasi {

// How a function of preview 1 ended: with an errno for the guest, which goes on, or by ending the
// guest.
class [[nodiscard]] Reply {
 public:
  // Implicit, so that a function says `return Errno::kBadf;`.
  Reply(Errno error) : errno_(error) {}                    // NOLINT(google-explicit-constructor)
  Reply(hostcall::Outcome outcome) : outcome_(outcome) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return outcome_ == hostcall::Outcome::kReturned && errno_ == Errno::kSuccess; }
  hostcall::Outcome outcome() const { return outcome_; }
  Errno error() const { return errno_; }

 private:
  hostcall::Outcome outcome_ = hostcall::Outcome::kReturned;
  Errno errno_ = Errno::kSuccess;
};

// Makes a system call that may block, on this thread, which is the guest's own: again after a
// signal, unless it was the one that says that the guest is to end. `system_call` returns as system
// calls do in C, with -1 and errno; what it returned otherwise is put into `result`, which may be
// null.
template <typename SystemCall>
Reply Interruptible(const hostcall::Call& call, SystemCall system_call, int64_t* result = nullptr) {
  for (;;) {
    const int64_t returned = system_call();
    if (returned >= 0) {
      if (result != nullptr) *result = returned;
      return Errno::kSuccess;
    }
    if (errno != EINTR) return FromLinux(errno);
    if (call.interrupt.requested()) return hostcall::Outcome::kStopped;
  }
}

}  // namespace wasmoor::wasi
