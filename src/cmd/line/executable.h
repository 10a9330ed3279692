#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "cmd/line/command.h"
#include "cmd/line/options.h"
#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// What an executable says of itself: literals, from which its help, manual pages and completions
// are made.
struct About {
  using Pair = std::pair<std::string_view, std::string_view>;

  std::string_view name;            // "wasmoor"
  std::string_view opening;         // The first sentence of its help.
  std::string_view purpose;         // For the NAME line of its manual page: "run …".
  std::string_view description;     // A paragraph of its manual page.
  std::string_view manual_section;  // "1"
  std::string_view manual_heading;  // "User Commands"
  std::string_view version_letter;  // "-V"
  int usage_status = 2;             // If the command line is wrong.
  Dialect dialect = Dialect::kGnu;
  std::span<const CommandEntry> commands;  // In the order of the help.
  // A command that takes a file, for who names a file where a command should stand.
  std::string_view file_command;
  std::span<const Pair> statuses;     // Exit statuses that all commands have.
  std::span<const Pair> environment;  // Variables that it reads.
  std::span<const Pair> examples;
};

// A program with commands: `NAME [OPTIONS] COMMAND [OPTIONS] ...`. One object per process, made by
// main; its commands may keep references to it.
class Executable {
 public:
  explicit Executable(const About& about) : about_(about) {}
  virtual ~Executable() = default;

  const About& about() const { return about_; }
  std::string_view name() const { return about_.name; }
  std::span<const CommandEntry> commands() const { return about_.commands; }
  const CommandEntry* Find(std::string_view command) const;  // nullptr if there is none.

  // The options that stand before the command; read before the command is made.
  virtual void ConfigureGlobals(Options&) {}
  // Acts on them. An Error is one of usage.
  virtual Status CheckGlobals() { return {}; }

  virtual std::string VersionText(bool json) const = 0;

  enum class Failure : uint8_t { kUsage, kRun };
  // Tells the caller that `command` failed (null: there was none yet), and gives the exit status.
  virtual int Report(const Command* command, std::string_view command_name, const Error& error,
                     Failure failure) = 0;

 protected:
  // Prints it to standard error, as the command would have it.
  void Print(const Command* command, std::string_view command_name, const Error& error) const;

 private:
  const About& about_;
};

// A command with its options declared; they lead into it.
struct Description {
  std::unique_ptr<Command> command;
  Options options;
};
Description Describe(Executable& executable, const CommandEntry& entry);
// The options before the command.
Options DescribeGlobals(Executable& executable);

// The whole of an executable: reads its command line and does what it says. The exit status.
int Main(Executable& executable, int argc, char** argv);

}  // namespace wasmoor::cmd
