#include "wasmoor/cgroup/threads.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cgroup/control_file.h"
#include "cgroup/tree.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

// What systemd marks a directory with that is somebody else's to divide: since version 236, and
// 251.
constexpr std::array<const char*, 2> kDelegation = {"trusted.delegate", "user.delegate"};
// Processes may be started while the others are moved.
constexpr int kMostRounds = 20;
constexpr size_t kLongestName = 255;

bool IsDelegated(const std::string& group) {
  char value = 0;
  return std::any_of(kDelegation.begin(), kDelegation.end(), [&](const char* name) {
    return ::getxattr(group.c_str(), name, &value, sizeof value) == 1 && value == '1';
  });
}

// This process's own group, or the one that it was divided from.
std::string WholeOf(const std::string& own) {
  for (const std::string_view part : {kThreadsPart, kOthersPart}) {
    if (own.ends_with(part)) return own.substr(0, own.size() - part.size());
  }
  return own;
}

// What concerns CPU time is handed down also by a group that has processes.
Status HandDown(const os::Fd& group) {
  static_cast<void>(WriteControl(group, "cgroup.subtree_control", "+cpuset"));
  return WriteControl(group, "cgroup.subtree_control", "+cpu");
}

Status MoveOthers(const os::Fd& from, const os::Fd& to) {
  for (int round = 0; round < kMostRounds; ++round) {
    const std::string members = TRY(ReadControl(from, "cgroup.procs"));
    if (members.empty()) return {};
    std::string_view rest = members;
    while (!rest.empty()) {
      auto moved = WriteControl(to, "cgroup.procs", TakeUntil(&rest, '\n'));
      if (!moved && moved.error().error_number() != ESRCH) return moved;
    }
  }
  return Fail(Code::kResourceExhausted, "processes come faster than they can be moved");
}

// As it was before a process that was killed had divided it. While it hands a controller down, a
// group with processes counts as the root of threads, below which no group takes a process
// (cgroups(7), "domain invalid"); systemd starts the next process in it as it is.
void TakeTogether(const std::string& whole) {
  for (const std::string_view part : {kThreadsPart, kOthersPart})
    RemoveEmpty(whole + std::string(part));
  const auto group = OpenGroup(whole);
  if (!group) return;
  for (const char* const controller : {"-cpu", "-cpuset"})
    static_cast<void>(WriteControl(*group, "cgroup.subtree_control", controller));
}

Result<os::Fd> EnterThreadsPart(const std::string& whole) {
  os::Fd guests = TRY(MakeGroup(whole + std::string(kThreadsPart)));
  TRY(WriteControl(guests, "cgroup.procs", "0"));
  return guests;
}

// The group that systemd has given: this process alone in one part of it.
Status Divide(const std::string& whole) {
  const os::Fd group = TRY(OpenGroup(whole));
  auto entered = EnterThreadsPart(whole);
  if (!entered && entered.error().error_number() == EOPNOTSUPP) {
    TakeTogether(whole);
    entered = EnterThreadsPart(whole);
  }
  const os::Fd guests = TRY(std::move(entered));
  const os::Fd others = TRY(MakeGroup(whole + std::string(kOthersPart)));
  TRY(MoveOthers(group, others));
  TRY(HandDown(group));
  return HandDown(guests);
}

// Also the groups above, which nobody else sees to: the group keeps its processes.
Status HandDownTo(const std::string& mount, const std::string& own) {
  for (size_t at = 0; at != own.npos && own != "/"; at = own.find('/', at + 1))
    static_cast<void>(HandDown(TRY(OpenGroup(mount + own.substr(0, at)))));
  return HandDown(TRY(OpenGroup(mount + own)));
}

// A container's path as one name.
std::string NameOf(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  std::string name = path.empty() ? "" : "wasmoor:";
  name += path;
  std::replace(name.begin(), name.end(), '/', ':');
  return name;
}

Result<std::string> PlanInPlace(const Root& threads, std::string_view path) {
  const std::string name = NameOf(path);
  if (name.empty() || name.size() > kLongestName)
    return Fail(Code::kInvalidArgument, "linux.cgroupsPath: '{}' is no name of a control group",
                path);
  return Group::Plan(threads, threads.hierarchies().front().own_path + "/" + name);
}

}  // namespace

Result<Root> PrepareThreads(const Root& root) {
  if (root.layout() != Layout::kV2) return root.OfThreads();
  const Hierarchy& hierarchy = root.hierarchies().front();
  const std::string whole = hierarchy.mount_point + WholeOf(hierarchy.own_path);
  const bool has_systemd = ::access("/run/systemd/system", F_OK) == 0;  // sd_booted(3)
  if (has_systemd && !IsDelegated(whole))
    return Fail(Code::kFailedPrecondition,
                "control group {} is systemd's: start the daemon as a service with Delegate=yes",
                whole);
  TRY_AS(has_systemd ? Divide(whole) : HandDownTo(hierarchy.mount_point, hierarchy.own_path),
         "groups of threads in control group {}", whole);
  return TRY(Root::Detect()).OfThreads();
}

Result<Group> CreateThreadGroup(const Root& threads, std::string_view path) {
  if (threads.layout() != Layout::kV2) {
    // "slice:prefix:name" is a path of systemd's, whose groups are of processes.
    if (!path.starts_with('/'))
      return Fail(Code::kUnimplemented, "linux.cgroupsPath: '{}' is none of files", path);
    return Group::Create(threads, path);
  }
  const std::string text = TRY(PlanInPlace(threads, path));
  Tree tree = TRY(TreeFromText(text));
  const std::string full = tree.branches().front().FullPath();
  const os::Fd group = TRY(MakeGroup(full));
  if (auto made = WriteControl(group, "cgroup.type", "threaded"); !made) {
    ::rmdir(full.c_str());
    return tl::unexpected(std::move(made).error().WithContext(full));
  }
  return Group::Open(text);
}

Status RemoveThreadGroup(std::string_view path) {
  const Root threads = TRY(Root::Detect()).OfThreads();
  if (threads.hierarchies().empty()) return {};
  if (threads.layout() == Layout::kV2) {
    const auto text = PlanInPlace(threads, path);
    return text ? TRY(Group::Open(*text)).Remove() : Status();
  }
  if (!path.starts_with('/')) return {};
  return TRY(Group::Open(TRY(Group::Plan(threads, path)))).Remove();
}

}  // namespace wasmoor::cgroup
