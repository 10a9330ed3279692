#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "jail/namespaces.h"
#include "wasmoor/os/clone.h"
#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;

#ifndef CLONE_NEWTIME
constexpr int CLONE_NEWTIME = 0x80;  // sched.h of glibc before 2.38 lacks it.
#endif

bool IsForChildren(NamespaceType type) {
  return type == NamespaceType::kPid || type == NamespaceType::kTime;
}

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

// time_namespaces(7): one line a clock, taken as long as nobody is in the namespace.
Status SetOffsets(const std::map<std::string, oci::TimeOffset>& offsets) {
  for (const auto& [clock, offset] : offsets) {
    const std::string line = fmt::format("{} {} {}\n", clock, offset.secs, offset.nanosecs);
    const os::Fd file = TRY(os::OpenAt(os::Fd(), "/proc/self/timens_offsets", O_WRONLY));
    TRY_AS(os::WriteAll(file, {reinterpret_cast<const uint8_t*>(line.data()), line.size()}),
           "linux.timeOffsets.{}", clock);
  }
  return {};
}

Result<NamespacePlan::Joined> Current(NamespaceType type) {
  const char* path = type == NamespaceType::kPid ? "/proc/self/ns/pid" : "/proc/self/ns/time";
  return NamespacePlan::Joined{type, TRY(os::OpenAt(os::Fd(), path, O_RDONLY))};
}

}  // namespace

int CloneFlag(NamespaceType type) {
  switch (type) {
    case NamespaceType::kPid: return CLONE_NEWPID;
    case NamespaceType::kNetwork: return CLONE_NEWNET;
    case NamespaceType::kMount: return CLONE_NEWNS;
    case NamespaceType::kIpc: return CLONE_NEWIPC;
    case NamespaceType::kUts: return CLONE_NEWUTS;
    case NamespaceType::kUser: return CLONE_NEWUSER;
    case NamespaceType::kCgroup: return CLONE_NEWCGROUP;
    case NamespaceType::kTime: return CLONE_NEWTIME;
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
  for (size_t i = 0; i < config.namespaces.size(); ++i) {
    const oci::Namespace& entry = config.namespaces[i];
    if (!entry.path.empty()) {
      os::Fd file = TRY_AS(OpenNamespace(entry), "linux.namespaces[{}].path", i);
      auto& list = IsForChildren(entry.type) ? plan.joined_for_children : plan.joined;
      const auto place = entry.type == NamespaceType::kUser ? list.begin() : list.end();
      list.insert(place, {entry.type, std::move(file)});
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

Result<ChildNamespaces> ChildNamespaces::Enter(
    const NamespacePlan& plan, const std::map<std::string, oci::TimeOffset>& offsets) {
  ChildNamespaces entered;
  for (const NamespacePlan::Joined& one : plan.joined_for_children) {
    entered.before_.push_back(TRY(Current(one.type)));
    TRY_AS(os::EnterNamespace(one.file, CloneFlag(one.type)), "enter the {} namespace",
           NamespaceName(one.type));
  }
  if (plan.new_time) {
    entered.before_.push_back(TRY(Current(NamespaceType::kTime)));
    TRY_AS(os::Unshare(CLONE_NEWTIME), "make a time namespace");
    TRY(SetOffsets(offsets));
  }
  return entered;
}

ChildNamespaces::~ChildNamespaces() {
  // They were this process's a moment ago, and it has what it takes to enter them.
  for (const NamespacePlan::Joined& one : before_)
    static_cast<void>(os::EnterNamespace(one.file, CloneFlag(one.type)));
}

}  // namespace wasmoor::jail
