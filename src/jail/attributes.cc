#include "jail/attributes.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

Status WriteProc(const char* file, const std::string& text, std::string_view field) {
  const os::Fd opened =
      TRY_AS(os::OpenAt(os::Fd(), file, O_WRONLY | O_CLOEXEC), "{}: {}", field, file);
  TRY_AS(os::WriteAll(opened, text), "{}: write '{}' to {}", field, text, file);
  return {};
}

// proc(5): a score below what an ancestor with CAP_SYS_RESOURCE set needs that capability.
Status ApplyOomScore(pid_t process, int score) {
  const std::string file = fmt::format("/proc/{}/oom_score_adj", process);
  const Status written = WriteProc(file.c_str(), std::to_string(score), "process.oomScoreAdj");
  if (written || written.error().error_number() != EACCES) return written;
  return FailErrno(
      EACCES,
      "process.oomScoreAdj: {} is below what this process was started with, which only "
      "CAP_SYS_RESOURCE may set",
      score);
}

Status ApplyCpus(const std::optional<cpu_set_t>& cpus) {
  if (!cpus || ::sched_setaffinity(0, sizeof(*cpus), &*cpus) == 0) return {};
  if (errno == EINVAL)
    return FailErrno(
        EINVAL, "process.execCPUAffinity: none of these CPUs is one that the container may use");
  return FailErrno(errno, "process.execCPUAffinity");
}

// They take effect at the next exec.
Status ApplyLabels(const Attributes& attributes) {
  if (!attributes.selinux_label.empty())
    TRY(WriteProc("/proc/thread-self/attr/exec", attributes.selinux_label, "process.selinuxLabel"));
  if (attributes.apparmor_profile.empty() || attributes.apparmor_profile == "unconfined") return {};
  // The file of its own is there beside other modules; older kernels have the common one only.
  const char* const own = "/proc/thread-self/attr/apparmor/exec";
  const char* const file = ::access(own, F_OK) == 0 ? own : "/proc/thread-self/attr/exec";
  return WriteProc(file, "exec " + attributes.apparmor_profile, "process.apparmorProfile");
}

Status ApplyGroupsAndUser(const Attributes& attributes) {
  // user_namespaces(7): a namespace whose maps an unprivileged user wrote has no setgroups(2); then
  // there is nothing to take away either.
  if (::setgroups(attributes.groups.size(), attributes.groups.data()) != 0 &&
      !(errno == EPERM && attributes.groups.empty()))
    return FailErrno(errno, "process.user.additionalGids");
  if (::setresgid(attributes.gid, attributes.gid, attributes.gid) != 0) {
    if (errno == EINVAL)
      return FailErrno(EINVAL, "process.user.gid: {} is not in linux.gidMappings", attributes.gid);
    return FailErrno(errno, "process.user.gid: {}", attributes.gid);
  }
  if (::setresuid(attributes.uid, attributes.uid, attributes.uid) != 0) {
    if (errno == EINVAL)
      return FailErrno(EINVAL, "process.user.uid: {} is not in linux.uidMappings", attributes.uid);
    return FailErrno(errno, "process.user.uid: {}", attributes.uid);
  }
  return {};
}

}  // namespace

Status ApplyInitialCpus(const Attributes& attributes) { return ApplyCpus(attributes.initial_cpus); }

Status ApplyFromOutside(const Attributes& attributes, pid_t process) {
  if (attributes.oom_score_adj) TRY(ApplyOomScore(process, *attributes.oom_score_adj));
  if (attributes.scheduling)
    TRY_AS(os::SetScheduling(process, *attributes.scheduling), "process.scheduler");
  if (attributes.io_class)
    TRY_AS(os::SetIoPriority(process, *attributes.io_class, attributes.io_level),
           "process.ioPriority");
  return {};
}

Status ApplyLimits(const Attributes& attributes, pid_t process) {
  for (size_t i = 0; i < attributes.limits.size(); ++i) {
    const AttributeLimit& one = attributes.limits[i];
    TRY_AS(os::SetLimit(process, one.resource, one.limit), "process.rlimits[{}]", i);
  }
  return {};
}

Status ApplyInside(const Attributes& attributes) {
  TRY(ApplyCpus(attributes.final_cpus));
  if (attributes.personality && ::personality(*attributes.personality) < 0)
    return FailErrno(errno, "linux.personality");
  TRY(ApplyLabels(attributes));
  if (attributes.umask) ::umask(*attributes.umask);
  return {};
}

Status ApplyIdentity(const Attributes& attributes) {
  // While CAP_SETPCAP is still there.
  TRY_AS(os::LimitBounding(attributes.capabilities.bounding), "process.capabilities.bounding");
  TRY_AS(os::KeepCapabilities(), "process.capabilities");
  TRY(ApplyGroupsAndUser(attributes));
  TRY_AS(os::SetCapabilities(attributes.capabilities), "process.capabilities");
  if (attributes.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return FailErrno(errno, "process.noNewPrivileges");
  return {};
}

Status ApplyKeyring(const std::string& container_id) {
  const Status joined = os::JoinNewKeyring(("_ses." + container_id).c_str());
  if (joined || joined.error().error_number() == ENOSYS) return {};
  TRY_AS(Status(joined), "container {}", container_id);
  return {};
}

}  // namespace wasmoor::jail
