#pragma once

#include <string>
#include <vector>

#include "cmd/wasmoor/command.h"

// The commands about the commands, all made from the one description that each gives of itself.
namespace wasmoor::cmd {

// wasmoor help [COMMAND]
class HelpCommand : public Command {
 public:
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  std::vector<std::string> names_;
};

// wasmoor man [COMMAND]: the manual page, for man(1).
class ManCommand : public Command {
 public:
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  std::vector<std::string> names_;
  std::string directory_;
};

// wasmoor completion SHELL
class CompletionCommand : public Command {
 public:
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  std::vector<std::string> shells_;
};

// In the language of man(7). The second is the page of wasmoor itself.
std::string ManPage(const Options& options);
std::string OverviewManPage();

// A script for the shell to read.
std::string BashCompletion();
std::string ZshCompletion();
std::string FishCompletion();

}  // namespace wasmoor::cmd
