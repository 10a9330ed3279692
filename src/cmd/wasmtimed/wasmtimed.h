#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/line/executable.h"
#include "cmd/wasmtimed/config.h"

namespace wasmoor::cmd {

// bin/containerd-wasmtimed: the wasm host of a node, for the runtime io.containerd.wasmtimed.v1.
class Wasmtimed : public Executable {
 public:
  explicit Wasmtimed(char* const* arguments);  // Of main; they outlive it.

  std::string VersionText(bool json) const override;
  int Report(const Command* command, std::string_view command_name, const Error& error,
             Failure failure) override;

  char* const* arguments() const { return arguments_; }
  // The words in the order in which Main takes them: it serves if no other command is named.
  std::vector<char*> Arrange(std::span<char* const> words) const;

 private:
  char* const* arguments_;
};

// The word that starts this executable as a compiler of modules, and what it does then.
inline constexpr std::string_view kCompilerWord = "compile-module";
int RunCompiler(std::span<char* const> words);
// The same for a host of guests, whose connection is the descriptor sandbox::kHostConnection.
inline constexpr std::string_view kHostWord = "host-guests";
int RunGuestHost(const char* program);

// The options by which a command knows the daemon that it is about: --config and --listen.
void AddDaemonOptions(Options& options, DaemonFlags* flags);

std::unique_ptr<Command> MakeServeDaemon(Executable& daemon);
std::unique_ptr<Command> MakeUpgradeDaemon(Executable& daemon);

}  // namespace wasmoor::cmd
