#pragma once

#include <string>
#include <vector>

#include "cmd/line/executable.h"

// The commands about the commands, which every executable has, all made from the one description
// that each gives of itself.
namespace wasmoor::cmd {

// EXECUTABLE help [COMMAND]
class HelpCommand : public Command {
 public:
  explicit HelpCommand(Executable& executable) : executable_(executable) {}
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  Executable& executable_;
  std::vector<std::string> names_;
};

// EXECUTABLE man [COMMAND]: the manual page, for man(1).
class ManCommand : public Command {
 public:
  explicit ManCommand(Executable& executable) : executable_(executable) {}
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  Executable& executable_;
  std::vector<std::string> names_;
  std::string directory_;
};

// EXECUTABLE completion SHELL
class CompletionCommand : public Command {
 public:
  explicit CompletionCommand(Executable& executable) : executable_(executable) {}
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  Executable& executable_;
  std::vector<std::string> shells_;
};

// Their lines in the table of commands.
constexpr CommandEntry kHelpEntry{"help", "Show what a command takes", MakeOf<HelpCommand>};
constexpr CommandEntry kManEntry{"man", "Print a manual page", MakeOf<ManCommand>};
constexpr CommandEntry kCompletionEntry{"completion", "Print a completion script for a shell",
                                        MakeOf<CompletionCommand>};

// In the language of man(7). The second is the page of the executable itself.
std::string ManPage(Executable& executable, const Options& options);
std::string OverviewManPage(Executable& executable);

// A script for the shell to read.
std::string BashCompletion(Executable& executable);
std::string ZshCompletion(Executable& executable);
std::string FishCompletion(Executable& executable);

}  // namespace wasmoor::cmd
