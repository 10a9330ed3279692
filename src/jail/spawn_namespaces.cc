#include "jail/spawn_namespaces.h"

#include <fcntl.h>

#include <cerrno>

#include "wasmoor/os/clone.h"
#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;

// time_namespaces(7): one line a clock, taken as long as nobody is in the namespace.
Status SetOffsets(const std::map<std::string, oci::TimeOffset>& offsets) {
  for (const auto& [clock, offset] : offsets) {
    const std::string line = fmt::format("{} {} {}\n", clock, offset.secs, offset.nanosecs);
    const os::Fd file = TRY(os::OpenAt(os::Fd(), "/proc/self/timens_offsets", O_WRONLY));
    TRY_AS(os::WriteAll(file, line), "linux.timeOffsets.{}", clock);
  }
  return {};
}

Result<NamespacePlan::Joined> Current(NamespaceType type) {
  const char* path = nullptr;
  switch (type) {
    case NamespaceType::kPid: path = "/proc/self/ns/pid"; break;
    case NamespaceType::kNetwork: path = "/proc/self/ns/net"; break;
    case NamespaceType::kMount: path = "/proc/self/ns/mnt"; break;
    case NamespaceType::kIpc: path = "/proc/self/ns/ipc"; break;
    case NamespaceType::kUts: path = "/proc/self/ns/uts"; break;
    case NamespaceType::kUser: path = "/proc/self/ns/user"; break;
    case NamespaceType::kCgroup: path = "/proc/self/ns/cgroup"; break;
    case NamespaceType::kTime: path = "/proc/self/ns/time"; break;
  }
  return NamespacePlan::Joined{type, TRY(os::OpenAt(os::Fd(), path, O_RDONLY))};
}

}  // namespace

Result<NamespacesForChild> NamespacesForChild::Enter(
    const NamespacePlan& plan, const std::map<std::string, oci::TimeOffset>& offsets,
    std::vector<const NamespacePlan::Joined*>* refused) {
  NamespacesForChild entered;
  for (const NamespacePlan::Joined& one : plan.joined) {
    NamespacePlan::Joined before = TRY(Current(one.type));
    const Status done = os::EnterNamespace(one.file, CloneFlag(one.type));
    if (!done && done.error().error_number() == EPERM && refused != nullptr) {
      refused->push_back(&one);
      continue;
    }
    TRY_AS(Status(done), "enter the {} namespace", NamespaceName(one.type));
    entered.before_.push_back(std::move(before));
  }
  if (plan.new_time) {
    entered.before_.push_back(TRY(Current(NamespaceType::kTime)));
    TRY_AS(os::Unshare(CloneFlag(NamespaceType::kTime)), "make a time namespace");
    TRY(SetOffsets(offsets));
  }
  return entered;
}

NamespacesForChild::~NamespacesForChild() {
  // They were this process's a moment ago, and it has what it takes to enter them.
  for (const NamespacePlan::Joined& one : before_)
    static_cast<void>(os::EnterNamespace(one.file, CloneFlag(one.type)));
}

}  // namespace wasmoor::jail
