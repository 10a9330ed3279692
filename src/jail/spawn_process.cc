#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>

#include "jail/channel.h"
#include "jail/id_map.h"
#include "jail/spawn.h"
#include "jail/spawn_namespaces.h"
#include "wasmoor/os/clone.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;

void Reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
}

// The number that this process knows a pidfd's process by: the field "Pid" of its fdinfo (proc(5)).
Result<pid_t> NumberOf(const os::Fd& process) {
  constexpr size_t kMostText = 4096;
  const std::string path = fmt::format("/proc/self/fdinfo/{}", process.get());
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY));
  const auto bytes = TRY(os::ReadAll(file, kMostText));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view kField = "\nPid:\t";
  const size_t at = text.find(kField);
  pid_t pid = 0;
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + kField.size(), text.data() + text.size(), pid);
  if (pid <= 0) return Fail(Code::kAborted, "the new process is gone already");
  return pid;
}

Status EnterCgroupNamespace(const NamespacePlan& plan) {
  TRY_AS(os::EnterNamespace(plan.cgroup, CLONE_NEWCGROUP), "enter the cgroup namespace");
  return {};
}

// In the process between: into the user namespace, and into what only its members may enter.
Status EnterUser(const NamespacePlan& plan, std::span<const NamespacePlan::Joined* const> refused) {
  // With the runtime's rights where they are enough.
  const bool lacks_cgroup = plan.cgroup.valid() && !EnterCgroupNamespace(plan);
  TRY_AS(os::EnterNamespace(plan.user, CLONE_NEWUSER), "enter the user namespace");
  if (lacks_cgroup) TRY(EnterCgroupNamespace(plan));
  for (const NamespacePlan::Joined* one : refused)
    TRY_AS(os::EnterNamespace(one->file, CloneFlag(one->type)), "enter the {} namespace",
           NamespaceName(one->type));
  return {};
}

// New namespaces belong to the user namespace of whoever makes them, so that it has to be entered
// before: by a process between, whose sibling the new process becomes. It ends at once.
Result<os::Cloned> SpawnInUser(const SpawnPlan& plan,
                               std::span<const NamespacePlan::Joined* const> refused) {
  auto [ours, theirs] = TRY(Channel::MakePair());
  const os::Cloned between = TRY(os::Clone({.cgroup = plan.cgroup}));
  if (between.pid == 0) {
    const Status entered = EnterUser(plan.namespaces, refused);
    Result<os::Cloned> cloned =
        entered ? os::Clone({.namespaces = plan.namespaces.cloned, .sibling = true})
                : Result<os::Cloned>(tl::unexpected(entered.error()));
    if (cloned && cloned->pid == 0) return cloned;
    const Status sent =
        cloned ? theirs.SendDescriptor(cloned->process) : Status(tl::unexpected(cloned.error()));
    if (!sent) theirs.SendError(sent.error());
    _exit(0);
  }
  theirs.Close();
  Result<Message> answer = ours.Expect(Step::kDescriptor);
  Reap(between.pid);
  Message message = TRY(std::move(answer));
  const pid_t pid = TRY(NumberOf(message.descriptor));
  return os::Cloned{pid, std::move(message.descriptor)};
}

}  // namespace

Result<os::Cloned> Spawn(const SpawnPlan& plan) {
  const bool joins_user = plan.namespaces.user.valid();
  std::vector<const NamespacePlan::Joined*> refused;
  NamespacesForChild entered = TRY(NamespacesForChild::Enter(plan.namespaces, plan.time_offsets,
                                                             joins_user ? &refused : nullptr));
  Result<os::Cloned> cloned =
      joins_user ? SpawnInUser(plan, refused)
                 : os::Clone({.namespaces = plan.namespaces.cloned, .cgroup = plan.cgroup});
  // What the runtime has to put back is not the new process's to change.
  if (cloned && cloned->pid == 0) entered.Forget();
  return cloned;
}

Status EnterMountNamespace(const NamespacePlan& plan) {
  if (!plan.mount.valid()) return {};
  TRY_AS(os::EnterNamespace(plan.mount, CLONE_NEWNS), "enter the mount namespace");
  return {};
}

Status LeaveMountNamespace(const NamespacePlan& plan, const os::Fd& root) {
  if (!plan.mount_after.valid()) return {};
  TRY_AS(os::EnterNamespace(plan.mount_after, CLONE_NEWNS), "return to the mount namespace");
  return os::ChangeRoot(root);
}

Status TakeCgroupNamespace(const NamespacePlan& plan) {
  // The process between has entered it (SpawnInUser).
  if (plan.cgroup.valid() && !plan.user.valid()) return EnterCgroupNamespace(plan);
  if (!plan.new_cgroup) return {};
  TRY_AS(os::Unshare(CLONE_NEWCGROUP), "make a cgroup namespace");
  return {};
}

Result<os::Fd> MakeUserNamespace(std::span<const oci::IdMapping> uids,
                                 std::span<const oci::IdMapping> gids) {
  const pid_t runtime = ::getpid();
  const os::Cloned holder = TRY(os::Clone({.namespaces = CLONE_NEWUSER}));
  if (holder.pid == 0) {
    // It must not outlive a runtime that is killed now.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (::getppid() == runtime) ::pause();
    _exit(0);
  }
  const auto open = [&]() -> Result<os::Fd> {
    TRY(WriteIdMaps(holder.pid, uids, gids));
    return os::OpenAt(os::Fd(), fmt::format("/proc/{}/ns/user", holder.pid).c_str(), O_RDONLY);
  };
  auto opened = open();
  ::kill(holder.pid, SIGKILL);
  Reap(holder.pid);
  return opened;
}

}  // namespace wasmoor::jail
