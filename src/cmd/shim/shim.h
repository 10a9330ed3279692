#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "cmd/shim_line/shim_line.h"

namespace wasmoor::cmd {

// bin/containerd-shim-wasmtime-v1: a shim of containerd for the runtime io.containerd.wasmtime.v1,
// which holds the containers of a pod in a process of its own.
class Shim : public ShimLine {
 public:
  explicit Shim(char* const* arguments);  // Of main; they outlive it.

  std::string VersionText(bool json) const override;

  char* const* arguments() const { return arguments_; }

  // The word that starts this executable as a compiler of modules, and what it does then.
  static constexpr std::string_view kCompilerWord = "compile-module";
  static int RunCompiler(std::span<char* const> words);

 private:
  char* const* arguments_;
};

std::unique_ptr<Command> MakeStartShim(Executable& shim);
std::unique_ptr<Command> MakeDeleteShim(Executable& shim);
std::unique_ptr<Command> MakeInfoShim(Executable& shim);

}  // namespace wasmoor::cmd
