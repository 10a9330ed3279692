#include "cmd/shim/settle.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "wasmoor/cgroup/root.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/title.h"

namespace wasmoor::cmd {
namespace {

Status WriteText(const std::string& path, std::string_view text) {
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_WRONLY));
  TRY_AS(os::WriteAll(file, text), "{}", path);
  return {};
}

// A group that somebody else has made, in whatever hierarchies.
Status JoinGroup(const std::string& group) {
  const cgroup::Root root = TRY(cgroup::Root::Detect());
  bool joined = false;
  for (const cgroup::Hierarchy& hierarchy : root.hierarchies()) {
    const Status written = WriteText(hierarchy.mount_point + group + "/cgroup.procs", "0");
    if (!written && written.error().error_number() == ENOENT) continue;
    TRY(written);
    joined = true;
  }
  if (!joined) return Fail(Code::kNotFound, "shim_cgroup: there is no control group {}", group);
  return {};
}

}  // namespace

void Settle(const ServerSettings& settings, const ShimLog& log) {
  const auto warn = [&](const Status& done) {
    if (!done) log.Write(Level::kWarning, done.error().message());
  };
  // As containerd's own shim looks in ps(1).
  const std::array<std::string, 7> words = {
      settings.program, "-namespace", settings.name_space,        "-id",
      settings.group,   "-address",   settings.containerd_address};
  os::ShowAs(words);
  // A logger or a reader that goes away is an error of a write, no end of all containers. Processes
  // of containers start with all signals as they always are.
  ::signal(SIGPIPE, SIG_IGN);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    warn(FailErrno(errno, "become the reaper of what containers leave behind"));
  if (!settings.oom_score.empty()) warn(WriteText("/proc/self/oom_score_adj", settings.oom_score));
  if (!settings.options.shim_cgroup.empty()) warn(JoinGroup(settings.options.shim_cgroup));
  // A bundle is removed before its shim ends.
  if (::chdir("/") != 0) warn(FailErrno(errno, "/"));
}

}  // namespace wasmoor::cmd
