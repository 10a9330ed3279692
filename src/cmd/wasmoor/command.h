#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// Exit statuses of our own, as timeout(1) and env(1) have them; a guest's run has its own besides
// (wasm::Exit::ShellStatus).
constexpr int kExitUsage = 2;        // The command line is wrong.
constexpr int kExitFailed = 125;     // wasmoor itself failed.
constexpr int kExitNotRunnable = 126;  // The file is there and cannot be run.
constexpr int kExitNotFound = 127;   // The file is not there.

// A verb of the command line: `wasmoor NAME …`. One object per process; main calls Configure, parses,
// and calls Check and Run.
class Command {
 public:
  virtual ~Command() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // One line, without a full stop.

  // What follows the name: "[OPTIONS] FILE".
  virtual std::string_view synopsis() const = 0;

  // Declares options and arguments, which parsing writes into members; and the rest of the help text:
  // examples and exit statuses, as the footer. Everything that help, man page and completion show
  // comes from here.
  virtual void Configure(CLI::App& app) = 0;

  // Reads what parsing left as text. An Error is one of usage.
  virtual Status Check() { return {}; }

  // The exit status. An Error is printed by main, which finds a status for it.
  virtual Result<int> Run() = 0;
};

// Every command, in the order of the help.
std::vector<std::unique_ptr<Command>> AllCommands();

}  // namespace wasmoor::cmd
