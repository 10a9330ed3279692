#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cmd/line/options.h"
#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

class Executable;

// A verb of a command line: `EXECUTABLE NAME …`. One object per process; Main calls Configure,
// parses, and calls Check and Run.
class Command {
 public:
  virtual ~Command() = default;

  // Declares options and operands, which parsing writes into members, and the rest of the help
  // text. Everything that help, man page and completion show comes from here.
  virtual void Configure(Options& options) = 0;

  // Reads what parsing left as text. An Error is one of usage.
  virtual Status Check() { return {}; }

  // The exit status. An Error is for Executable::Report, which finds a status for it.
  virtual Result<int> Run() = 0;

  // How an Error of this command stands on standard error; whole lines. `who`: "wasmoor run".
  virtual std::string Describe(std::string_view who, const Error& error) const;
};

// "WHO: SENTENCE", one line.
std::string DescribeError(std::string_view who, const Error& error);

// What there is before any of them is made: a start makes the one that it needs.
struct CommandEntry {
  std::string_view name;
  std::string_view summary;  // One line, without a full stop.
  // The command may keep the reference.
  std::unique_ptr<Command> (*make)(Executable& executable);
};

// A CommandEntry::make of a command that needs nothing of its executable.
template <typename T>
std::unique_ptr<Command> Make(Executable&) {
  return std::make_unique<T>();
}
// One of a command that is made from its executable, or from what that is in truth.
template <typename T, typename Derived = Executable>
std::unique_ptr<Command> MakeOf(Executable& executable) {
  return std::make_unique<T>(static_cast<Derived&>(executable));
}

}  // namespace wasmoor::cmd
