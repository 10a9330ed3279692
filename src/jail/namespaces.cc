#include "jail/namespaces.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;

#ifndef CLONE_NEWTIME
constexpr int CLONE_NEWTIME = 0x80;  // sched.h of glibc before 2.38 lacks it.
#endif

struct Kind {
  NamespaceType type;
  int flag;
  const char* link;  // In /proc/PID/ns.
};

constexpr auto kKinds = std::to_array<Kind>({
    {NamespaceType::kPid, CLONE_NEWPID, "pid"},
    {NamespaceType::kNetwork, CLONE_NEWNET, "net"},
    {NamespaceType::kMount, CLONE_NEWNS, "mnt"},
    {NamespaceType::kIpc, CLONE_NEWIPC, "ipc"},
    {NamespaceType::kUts, CLONE_NEWUTS, "uts"},
    {NamespaceType::kUser, CLONE_NEWUSER, "user"},
    {NamespaceType::kCgroup, CLONE_NEWCGROUP, "cgroup"},
    {NamespaceType::kTime, CLONE_NEWTIME, "time"},
});

Result<os::Fd> OpenNamespace(const oci::Namespace& entry) {
  os::Fd file = TRY(os::OpenAt(os::Fd(), entry.path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY));
  const int type = ::ioctl(file.get(), NS_GET_NSTYPE);
  if (type < 0) return Fail(Code::kInvalidArgument, "{}: is no namespace", entry.path);
  if (type != CloneFlag(entry.type)) {
    return Fail(Code::kInvalidArgument, "{}: is a namespace, but of another type than {}",
                entry.path, NamespaceName(entry.type));
  }
  return file;
}

void Join(NamespacePlan* plan, NamespaceType type, os::Fd file) {
  if (type == NamespaceType::kUser) {
    plan->user = std::move(file);
  } else if (type == NamespaceType::kMount) {
    plan->mount = std::move(file);
  } else if (type == NamespaceType::kCgroup) {
    plan->cgroup = std::move(file);
  } else {
    plan->joined.push_back({type, std::move(file)});
  }
}

}  // namespace

int CloneFlag(NamespaceType type) {
  for (const Kind& kind : kKinds) {
    if (kind.type == type) return kind.flag;
  }
  return 0;
}

bool NamespacePlan::Makes(NamespaceType type) const {
  if (type == NamespaceType::kTime) return new_time;
  if (type == NamespaceType::kCgroup) return new_cgroup;
  return (cloned & static_cast<uint64_t>(CloneFlag(type))) != 0;
}

Result<NamespacePlan> PlanNamespaces(const oci::Linux& config) {
  NamespacePlan plan;
  if (SharesMounts(config)) {
    plan.cloned |= CLONE_NEWNS;
    plan.mount_after = TRY(os::OpenAt(os::Fd(), "/proc/self/ns/mnt", O_RDONLY));
  }
  for (size_t i = 0; i < config.namespaces.size(); ++i) {
    const oci::Namespace& entry = config.namespaces[i];
    if (entry.type == NamespaceType::kMount && plan.mount_after.valid()) continue;
    if (!entry.path.empty()) {
      Join(&plan, entry.type, TRY_AS(OpenNamespace(entry), "linux.namespaces[{}].path", i));
    } else if (entry.type == NamespaceType::kTime) {
      plan.new_time = true;
    } else if (entry.type == NamespaceType::kCgroup) {
      plan.new_cgroup = true;
    } else {
      plan.cloned |= static_cast<uint64_t>(CloneFlag(entry.type));
    }
  }
  return plan;
}

bool IsOurs(const oci::Namespace& entry) {
  struct stat theirs, ours;
  for (const Kind& kind : kKinds) {
    if (kind.type != entry.type) continue;
    const std::string path = std::string("/proc/self/ns/") + kind.link;
    return ::stat(entry.path.c_str(), &theirs) == 0 && ::stat(path.c_str(), &ours) == 0 &&
           os::IsSameFile(theirs, ours);
  }
  return false;
}

bool SharesMounts(const oci::Linux& config) {
  return std::none_of(config.namespaces.begin(), config.namespaces.end(), [](const auto& one) {
    return one.type == NamespaceType::kMount && (one.path.empty() || !IsOurs(one));
  });
}

Result<NamespacePlan> PlanNamespacesOf(pid_t pid) {
  NamespacePlan plan;
  for (const Kind& kind : kKinds) {
    os::Fd theirs =
        TRY(os::OpenAt(os::Fd(), fmt::format("/proc/{}/ns/{}", pid, kind.link).c_str(), O_RDONLY));
    const os::Fd ours =
        TRY(os::OpenAt(os::Fd(), fmt::format("/proc/self/ns/{}", kind.link).c_str(), O_RDONLY));
    if (!os::IsSameFile(TRY(os::Stat(theirs)), TRY(os::Stat(ours))))
      Join(&plan, kind.type, std::move(theirs));
  }
  return plan;
}

}  // namespace wasmoor::jail
