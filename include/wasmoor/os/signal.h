#pragma once

#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

namespace wasmoor::os {

// The number of a signal as people and callers of runtimes write it: "SIGTERM", "TERM", "term",
// "15", "RTMIN", "SIGRTMIN+3", "RTMAX-1". kInvalidArgument for what is none of 1 to 64.
Result<int> ParseSignal(std::string_view text);

// "SIGTERM", "SIGRTMIN+3"; the number itself where it has no name.
std::string SignalName(int signal);

// No handler, nothing ignored, nothing held back in this process: as programs expect to begin
// (execve(2) hands on what is ignored or held back). For a process of one thread.
void TakeUsualSignals();

// While it lives, the calling thread gets no signal: they wait, or go to other threads. A thread
// or process that is begun meanwhile begins so, too, and for good. Of that thread only.
class SignalsHeld {
 public:
  enum class But : uint8_t {
    kNone,
    kFaults,  // SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP: an engine's traps are its own.
  };
  explicit SignalsHeld(But but = But::kNone);
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld();

 private:
  sigset_t before_;
};

}  // namespace wasmoor::os
