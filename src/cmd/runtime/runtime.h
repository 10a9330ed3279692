#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cmd/line/executable.h"
#include "cmd/runtime/log.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/jail/container.h"

namespace wasmoor::cmd {

// bin/wasmoor-runtime: an OCI runtime. It takes runc's command lines and prints what runc prints
// where callers read it: podman, CRI-O, buildah and containerd's shim know no others.
class Runtime : public Executable {
 public:
  explicit Runtime(char* const* arguments);  // Of main; they outlive it.

  void ConfigureGlobals(Options& options) override;
  Status CheckGlobals() override;
  std::string VersionText(bool json) const override;
  // 1 whatever it is, as of runc; 255 where `exec` fails, whose other statuses are the program's.
  int Report(const Command* command, std::string_view command_name, const Error& error,
             Failure failure) override;

  // First thing in a command that makes a process of a container: see os::ProtectSelf.
  Status Protect() const;

  // What the commands work with.
  Result<jail::Containers> Open();
  bool systemd_cgroup() const { return systemd_cgroup_; }
  jail::Executors executors();  // Made by the first call.
  // What an operator should know although all went well: into the log, or to standard error.
  void Warn(std::span<const std::string> warnings);
  void Debug(std::string_view message);  // If --debug is given.

  // The word that starts this executable as a compiler of modules, and what it does then.
  static constexpr std::string_view kCompilerWord = "compile-module";
  static int RunCompiler(std::span<char* const> words);

 private:
  void Say(Level level, std::string_view message);

  char* const* arguments_;
  std::string root_, log_file_, log_format_ = "text", rootless_ = "auto", criu_;
  bool debug_ = false, systemd_cgroup_ = false;
  Log log_;
  jail::NativeExecutor native_;
  std::optional<container::WasmExecutor> wasm_;
  std::array<const jail::Executor*, 2> executors_ = {};
};

}  // namespace wasmoor::cmd
