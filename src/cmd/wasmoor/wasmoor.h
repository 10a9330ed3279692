#pragma once

#include "cmd/line/executable.h"

namespace wasmoor::cmd {

// Exit statuses of our own, as timeout(1) and env(1) have them; a guest's run has its own besides
// (wasm::Exit::ShellStatus).
constexpr int kExitFailed = 125;       // wasmoor itself failed.
constexpr int kExitNotRunnable = 126;  // The file is there and cannot be run.
constexpr int kExitNotFound = 127;     // The file is not there.

int StatusOf(const Error& error);

// bin/wasmoor: a user's own tool.
class Wasmoor : public Executable {
 public:
  Wasmoor();
  std::string VersionText(bool json) const override;  // wasmoor's own version and its engines'.
  int Report(const Command* command, std::string_view command_name, const Error& error,
             Failure failure) override;
};

}  // namespace wasmoor::cmd
