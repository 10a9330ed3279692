#pragma once

#include <memory>
#include <optional>

#include "cmd/runtime/terminal_pump.h"
#include "wasmoor/base/result.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cmd {

// A container's process in the place of this one, for whoever waits for `run` or `exec`: it gets
// the signals that are sent here, and this one's terminal if it has one of its own.
class Foreground {
 public:
  // From here on signals wait, so that none is lost and none ends this process alone.
  static Result<Foreground> Begin();

  // Whose they are; our terminal is in raw mode from here on, as long as this exists. Borrows it.
  void Attach(const jail::Started& process);

  // Until the attached process has ended: its status as a shell has it, the exit status or 128 and
  // the signal.
  Result<int> Wait();

 private:
  explicit Foreground(os::Fd signals) : signals_(std::move(signals)) {}
  os::Fd signals_;
  const jail::Started* process_ = nullptr;
  std::unique_ptr<TerminalPump> pump_;  // Null if the process has no terminal.
};

// The size of the terminal that is one of the standard streams, for one that is to be made.
std::optional<oci::ConsoleSize> OwnTerminalSize();

}  // namespace wasmoor::cmd
