#pragma once

#include <signal.h>

#include <array>

namespace wasmoor::container {

// What an engine does when a guest's code faults (SIGSEGV and its like), kept for a process that
// has lost it: a jail resets all signals for what it starts.
class FaultHandlers {
 public:
  // Those of now: of a process that has an engine.
  FaultHandlers();
  void Install() const;

  static constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

 private:
  std::array<struct sigaction, kSignals.size()> actions_;
};

// Makes every signal that would end a process by default end this one with status 128 + its number,
// at once and whatever it is doing: the first process of a PID namespace is not ended by a signal
// that it does not handle (pid_namespaces(7)), and a guest cannot handle any. SIGPIPE and SIGXFSZ
// are ignored, so that a guest is told EPIPE and EFBIG. Faults stay
// as they are. No signal is blocked afterwards.
void EndBySignals();

}  // namespace wasmoor::container
