#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cmd/line/executable.h"

namespace wasmoor::cmd {

// bin/containerd-shim-wasmtime-v1: a shim of containerd (its docs: core/runtime/v2/README.md), for
// the runtime io.containerd.wasmtime.v1. containerd reads what it prints, standard error included:
// nothing is printed but the answer, or one line of why there is none.
class Shim : public Executable {
 public:
  explicit Shim(char* const* arguments);  // Of main; they outlive it.

  void ConfigureGlobals(Options& options) override;
  std::string VersionText(bool json) const override;
  int Report(const Command* command, std::string_view command_name, const Error& error,
             Failure failure) override;

  // containerd's flags.
  const std::string& name_space() const { return namespace_; }
  const std::string& id() const { return id_; }
  const std::string& containerd_address() const { return address_; }
  const std::string& publish_binary() const { return publish_binary_; }
  bool debug() const { return debug_; }
  // kInvalidArgument if they do not say whose container it is.
  Status CheckOwner() const;
  // The bundle: -bundle, or the current directory.
  Result<std::string> Bundle() const;
  // Where jail keeps this namespace's containers.
  std::string StateRoot() const;

  char* const* arguments() const { return arguments_; }

  static constexpr std::string_view kRuntime = "io.containerd.wasmtime.v1";
  // The word that starts this executable as a compiler of modules, and what it does then.
  static constexpr std::string_view kCompilerWord = "compile-module";
  static int RunCompiler(std::span<char* const> words);

 private:
  char* const* arguments_;
  std::string namespace_, id_, address_, publish_binary_, bundle_, socket_;
  bool debug_ = false;
};

// `-info`, which is a flag for containerd, as the command that it is here: the words in the order
// in which Main takes them.
std::vector<char*> ArrangeWords(std::span<char* const> words);

std::unique_ptr<Command> MakeStartShim(Executable& shim);
std::unique_ptr<Command> MakeDeleteShim(Executable& shim);
std::unique_ptr<Command> MakeInfoShim(Executable& shim);

}  // namespace wasmoor::cmd
