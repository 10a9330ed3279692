#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cmd/wasmoor/options.h"
#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// Exit statuses of our own, as timeout(1) and env(1) have them; a guest's run has its own besides
// (wasm::Exit::ShellStatus).
constexpr int kExitUsage = 2;          // The command line is wrong.
constexpr int kExitFailed = 125;       // wasmoor itself failed.
constexpr int kExitNotRunnable = 126;  // The file is there and cannot be run.
constexpr int kExitNotFound = 127;     // The file is not there.

int StatusOf(const Error& error);

// A verb of the command line: `wasmoor NAME …`. One object per process; main calls Configure,
// parses, and calls Check and Run.
class Command {
 public:
  virtual ~Command() = default;

  // Declares options and operands, which parsing writes into members, and the rest of the help
  // text. Everything that help, man page and completion show comes from here.
  virtual void Configure(Options& options) = 0;

  // Reads what parsing left as text. An Error is one of usage.
  virtual Status Check() { return {}; }

  // The exit status. An Error is printed by main, which finds a status for it.
  virtual Result<int> Run() = 0;

  // How an Error of this command stands on standard error; whole lines.
  virtual std::string Describe(std::string_view name, const Error& error) const;
};

// What there is before any of them is made: a start makes the one that it needs.
struct CommandEntry {
  std::string_view name;
  std::string_view summary;  // One line, without a full stop.
  std::unique_ptr<Command> (*make)();
};

// Every command, in the order of the help.
std::span<const CommandEntry> AllCommands();
const CommandEntry* FindCommand(std::string_view name);  // nullptr if there is none.

// A command with its options declared; they lead into it.
struct Description {
  std::unique_ptr<Command> command;
  Options options;
};
Description Describe(const CommandEntry& entry);

}  // namespace wasmoor::cmd
