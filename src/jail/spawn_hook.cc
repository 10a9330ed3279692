#include "jail/spawn_hook.h"

#include <linux/close_range.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "jail/attend.h"
#include "jail/channel.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/signal.h"
#include "wasmoor/os/spawn.h"

namespace wasmoor::jail {
namespace {

Error Become(const oci::Hook& hook, const os::Fd& input, const os::Fd& output) {
  const std::vector<std::string> path = {hook.path};
  const std::vector<char*> arguments = os::Pointers(hook.args.empty() ? path : hook.args);
  const std::vector<char*> environment = os::Pointers(hook.env);
  ::setpgid(0, 0);
  os::TakeUsualSignals();
  ::dup2(input.get(), STDIN_FILENO);
  ::dup2(output.get(), STDOUT_FILENO);
  ::dup2(output.get(), STDERR_FILENO);
  // Whoever called this may have left some open for the container.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execve(hook.path.c_str(), arguments.data(), environment.data());
  return FailErrno(errno, "cannot be started").value();
}

}  // namespace

Result<os::Cloned> SpawnHook(const oci::Hook& hook, const os::Fd& input, const os::Fd& output) {
  auto [ours, theirs] = TRY(Channel::MakePair());
  const pid_t parent = ::getpid();
  os::Cloned child = TRY(os::Clone({}));
  if (child.pid == 0) {
    ours.Close();
    os::EndWithParent(parent);
    theirs.SendError(Become(hook, input, output));
    _exit(EXIT_FAILURE);
  }
  theirs.Close();
  // execve(2) closes the other end.
  const auto said = ours.Receive();
  if (said || said.error().code() == Code::kAborted) return child;
  KillChild(child);
  return tl::unexpected(said.error());
}

}  // namespace wasmoor::jail
