#pragma once

#include <string>
#include <vector>

#include "cmd/line/options.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::cmd {

// What the options of `exec` say of the process to start.
struct ExecFlags {
  void Configure(Options& options);
  Status Check();

  // The process of --process; else `configured`, the container's own, with what other options say
  // instead, and `words` as its arguments.
  Result<oci::Process> ProcessFor(oci::Process configured, std::vector<std::string> words) const;

  std::string process_file;

 private:
  std::string cwd_, user_, selinux_label_, apparmor_profile_, cgroup_;
  std::vector<std::string> environment_, groups_, capabilities_;
  bool tty_ = false, no_new_privileges_ = false;
};

}  // namespace wasmoor::cmd
