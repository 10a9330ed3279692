#include "cmd/runtime/process_flags.h"

#include <unistd.h>

#include <cstdlib>

#include "cmd/runtime/numbers.h"

namespace wasmoor::cmd {
namespace {

// Descriptors from 3 on that whoever activated us by a socket has passed (sd_listen_fds(3)): the
// container gets them before those that --preserve-fds counts.
int ListenedDescriptors() {
  const char* count = std::getenv("LISTEN_FDS");
  const char* whose = std::getenv("LISTEN_PID");
  if (count == nullptr) return 0;
  if (whose != nullptr && ParseInteger<pid_t>("", whose) != ::getpid()) return 0;
  return ParseInteger<uint16_t>("", count).value_or(0);
}

}  // namespace

void ProcessFlags::Configure(Options& options) {
  options
      .Value("--console-socket", console_socket, "SOCKET",
             "Send the terminal's master side to whoever listens at this Unix socket")
      .Complete(Completes::kFiles);
  options.Value("--pid-file", pid_file, "FILE", "Write the number of the process to this file")
      .Complete(Completes::kFiles);
  options.Value("--preserve-fds", preserve_fds_text_, "N",
                "Pass N descriptors on, from 3; those of a socket activation come before them");
}

Status ProcessFlags::Check() {
  preserve_fds = ListenedDescriptors();
  if (!preserve_fds_text_.empty())
    preserve_fds += TRY(ParseInteger<uint16_t>("--preserve-fds", preserve_fds_text_));
  return {};
}

void CreateFlags::Configure(Options& options) {
  options
      .Value("--bundle", bundle, "DIR",
             "The directory that has config.json; the current one if this is not given")
      .Letter("-b")
      .Complete(Completes::kDirectories);
  process.Configure(options);
  options.Flag("--no-pivot", no_pivot,
               "Move the root instead of pivoting it, which an initramfs does not allow");
  options.Flag("--no-new-keyring", no_new_keyring, "Keep the caller's session keyring");
}

jail::CreateOptions CreateFlags::OptionsFor(const std::string& id, bool systemd_cgroup) const {
  jail::CreateOptions options;
  options.console_socket = process.console_socket;
  options.pid_file = process.pid_file;
  options.preserve_fds = process.preserve_fds;
  options.no_new_keyring = no_new_keyring;
  options.id = id;
  options.bundle = bundle;
  options.systemd_cgroup = systemd_cgroup;
  options.no_pivot = no_pivot;
  return options;
}

}  // namespace wasmoor::cmd
