#pragma once

#include <atomic>
#include <cstdint>

namespace wasmoor::hostcall {

// Why a running guest is to end before it is done.
enum class StopReason : uint8_t {
  kNone = 0,
  kDeadline,  // Its deadline passed.
  kSignal,    // Somebody asked for it: Interrupt::signal() says with which signal number.
};

// The one word through which a guest is told to end. The engine owns one per instance; its code
// looks at it at every epoch, and every host function that blocks looks at it when a system call
// was interrupted (EINTR) and before it blocks again: if it is requested, the function returns
// Outcome::Stopped(). The engine sends the guest's thread a signal, repeatedly until the guest has
// ended, so a request that arrives between the look and the system call is not lost. Any thread.
class Interrupt {
 public:
  bool requested() const { return word_.load(std::memory_order_acquire) != 0; }
  StopReason reason() const {
    return static_cast<StopReason>(word_.load(std::memory_order_acquire) & 0xff);
  }
  int signal() const { return static_cast<int>(word_.load(std::memory_order_acquire) >> 8); }

  // The first request wins; false if there was one already.
  bool Request(StopReason reason, int signal = 0) {
    uint32_t none = 0;
    const uint32_t word = static_cast<uint32_t>(reason) | static_cast<uint32_t>(signal) << 8;
    return word_.compare_exchange_strong(none, word, std::memory_order_acq_rel);
  }

  // Takes back the request of a deadline that the guest has outrun. Any other stays.
  void WithdrawDeadline() {
    uint32_t deadline = static_cast<uint32_t>(StopReason::kDeadline);
    word_.compare_exchange_strong(deadline, 0, std::memory_order_acq_rel);
  }

 private:
  std::atomic<uint32_t> word_ = 0;
};

}  // namespace wasmoor::hostcall
