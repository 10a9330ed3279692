#pragma once

#include <string>

#include "cmd/line/options.h"
#include "wasmoor/jail/container.h"

namespace wasmoor::cmd {

// The options that create, run and exec share: about a new process of a container.
struct ProcessFlags {
  void Configure(Options& options);
  Status Check();

  std::string console_socket, pid_file;
  int preserve_fds = 0;  // Of --preserve-fds, with those that a socket activation gave us.

 private:
  std::string preserve_fds_text_;
};

// Those that create and run share.
struct CreateFlags {
  void Configure(Options& options);
  Status Check() { return process.Check(); }
  jail::CreateOptions OptionsFor(const std::string& id, bool systemd_cgroup) const;

  ProcessFlags process;
  std::string bundle = ".";
  bool no_pivot = false, no_new_keyring = false;
};

}  // namespace wasmoor::cmd
