#include "wasmoor/cgroup/group.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cgroup/control_file.h"
#include "cgroup/limits.h"
#include "cgroup/members.h"
#include "cgroup/scope.h"
#include "cgroup/stats_reader.h"
#include "cgroup/tree.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

Status CheckPath(std::string_view path) {
  const auto refuse = [&](std::string_view why) -> Status {
    return Fail(Code::kInvalidArgument, "linux.cgroupsPath: '{}' {}", path, why);
  };
  if (path.find_first_not_of('/') == path.npos) return refuse("names no control group");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < ' ') return refuse("has control characters");
  }
  if (path.find(':') != path.npos && path.find('/') == path.npos)
    return refuse("is for the systemd driver (--systemd-cgroup); give a path such as /parent/name");
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::string_view part = TakeUntil(&rest, '/');
    if (part == "." || part == "..") return refuse("has '.' or '..' in it");
  }
  return {};
}

std::string Join(std::string_view base, std::string_view path) {
  while (base.ends_with('/')) base.remove_suffix(1);
  std::string joined(base);
  while (!path.empty()) {
    if (const std::string_view part = TakeUntil(&path, '/'); !part.empty())
      joined.append("/").append(part);
  }
  return joined;
}

std::string PathIn(const Hierarchy& hierarchy, std::string_view path) {
  if (path.starts_with('/')) return Join("", path);
  std::string_view base = hierarchy.own_path;
  if (hierarchy.version == 2) base = base.substr(0, base.rfind('/'));
  return Join(base, path);
}

Status RefuseMembers(const Branch& branch) {
  const std::vector<pid_t> members = TRY(MembersOf(branch));
  if (members.empty()) return {};
  return Fail(Code::kFailedPrecondition,
              "control group {} already has processes ({}): give the container a group of its own",
              branch.FullPath(), fmt::join(members, ", "));
}

Status MakeAll(Tree* tree, std::vector<std::string>* made) {
  for (Branch& branch : tree->branches()) {
    if (TRY(MakeBranch(&branch, made)) == Before::kGroup) TRY(RefuseMembers(branch));
  }
  return {};
}

Version VersionOf(const Tree& tree) {
  return tree.branches().front().v2() && tree.branches().size() == 1 ? Version::kV2 : Version::kV1;
}

Result<std::string> PlanScope(const Root& root, std::string_view path) {
  Scope scope{TRY(ParseScopeName(path, OwnManager()))};
  const std::string group = TRY(ManagerGroup(scope.name.manager)) + ScopePath(scope.name);
  std::vector<Branch> branches;
  for (const Hierarchy& hierarchy : root.hierarchies()) branches.push_back({hierarchy, group, {}});
  return TreeToText(Tree(std::move(branches), std::move(scope)));
}

bool IsPlannedScope(const Tree& tree) { return tree.scope() && tree.scope()->is_planned; }

Status MoveInto(const Tree& tree, pid_t pid) {
  const std::string text = fmt::format("{}", pid);
  for (const Branch& branch : tree.branches()) {
    if (!branch.directory.valid()) continue;
    TRY_AS(WriteControl(branch.directory, "cgroup.procs", text),
           "move process {} into control group {}", pid, branch.FullPath());
  }
  return {};
}

Status StartPlannedScope(Tree* tree, pid_t pid) {
  Scope& scope = *tree->scope();
  std::vector<Property> properties;
  for (const oci::Resources& one : scope.limits) {
    for (Property& property : PropertiesOf(one, VersionOf(*tree)))
      properties.push_back(std::move(property));
  }
  TRY(StartScope(scope.name, pid, properties));
  scope.is_planned = false;
  for (Branch& branch : tree->branches()) {
    TRY(OpenBranch(&branch));
    if (branch.directory.valid()) continue;
    if (branch.v2()) {
      return Fail(Code::kFailedPrecondition,
                  "systemd started unit {}, but there is no control group {}", scope.name.unit,
                  branch.FullPath());
    }
    // Hierarchies of v1 that systemd leaves to others, the freezer's for one.
    std::vector<std::string> made;
    TRY(MakeBranch(&branch, &made));
  }
  if (VersionOf(*tree) == Version::kV1) TRY(MoveInto(*tree, pid));
  for (const oci::Resources& one : scope.limits) TRY(ApplyResources(*tree, one));
  return {};
}

Result<os::Fd> OomEventsV1(const Branch& branch) {
  os::Fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return FailErrno(errno, "eventfd");
  const os::Fd control = TRY(os::OpenAt(branch.directory, "memory.oom_control", O_RDONLY));
  TRY_AS(WriteControl(branch.directory, "cgroup.event_control",
                      fmt::format("{} {}", event.get(), control.get())),
         "{}", branch.FullPath());
  return event;
}

Result<os::Fd> OomEventsV2(const Branch& branch) {
  os::Fd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.valid()) return FailErrno(errno, "inotify");
  const std::string file = branch.FullPath() + "/memory.events";
  if (inotify_add_watch(watch.get(), file.c_str(), IN_MODIFY | IN_DELETE_SELF) < 0)
    return FailErrno(errno, "watch {}", file);
  return watch;
}

tl::unexpected<Error> FailNotThere(const Tree& tree) {
  return Fail(Code::kNotFound, "control group {} does not exist",
              tree.branches().front().FullPath());
}

}  // namespace

Group::Group(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
Group::Group(Group&&) noexcept = default;
Group& Group::operator=(Group&&) noexcept = default;
Group::~Group() = default;

Result<std::string> Group::Plan(const Root& root, std::string_view path, Driver driver) {
  if (driver == Driver::kSystemd) return PlanScope(root, path);
  TRY(CheckPath(path));
  std::vector<Branch> branches;
  for (const Hierarchy& hierarchy : root.hierarchies())
    branches.push_back({hierarchy, PathIn(hierarchy, path), {}});
  return TreeToText(Tree(std::move(branches)));
}

Result<Group> Group::Create(const Root& root, std::string_view path, Driver driver) {
  return CreatePlanned(TRY(Plan(root, path, driver)));
}

Result<Group> Group::CreatePlanned(std::string_view text) {
  auto tree = std::make_unique<Tree>(TRY(TreeFromText(text)));
  if (tree->scope()) {
    TRY(OpenBranches(tree.get()));
    for (const Branch& branch : tree->branches()) {
      if (branch.directory.valid()) TRY(RefuseMembers(branch));
    }
    tree->scope()->is_planned = true;
    return Group(std::move(tree));
  }
  std::vector<std::string> made;
  auto done = MakeAll(tree.get(), &made);
  if (done) return Group(std::move(tree));
  // The deepest first. A parent that another container has moved into meanwhile is no longer ours.
  for (auto path = made.rbegin(); path != made.rend(); ++path) rmdir(path->c_str());
  return tl::unexpected(std::move(done).error());
}

Result<Group> Group::Open(std::string_view text) {
  auto tree = std::make_unique<Tree>(TRY(TreeFromText(text)));
  TRY(OpenBranches(tree.get()));
  return Group(std::move(tree));
}

std::string Group::ToText() const { return TreeToText(*tree_); }

bool Group::Exists() const { return tree_->Members() != nullptr; }

Status Group::Apply(const oci::Resources& resources) {
  if (IsPlannedScope(*tree_)) {
    tree_->scope()->limits.push_back(resources);
    return {};
  }
  if (!Exists()) return FailNotThere(*tree_);
  if (tree_->scope())
    TRY(SetScopeProperties(tree_->scope()->name, PropertiesOf(resources, VersionOf(*tree_))));
  return ApplyResources(*tree_, resources);
}

Status Group::Add(pid_t pid) {
  if (IsPlannedScope(*tree_)) return StartPlannedScope(tree_.get(), pid);
  if (!Exists()) return FailNotThere(*tree_);
  auto moved = MoveInto(*tree_, pid);
  if (moved || !tree_->scope()) return moved;
  // A user may only move a process within what is his, which systemd does for him.
  const int reason = moved.error().error_number();
  return reason == EACCES || reason == EPERM ? AttachToScope(tree_->scope()->name, pid) : moved;
}

const os::Fd& Group::directory() const {
  static const os::Fd kNone;
  const auto& branches = tree_->branches();
  return branches.size() == 1 && branches[0].v2() ? branches[0].directory : kNone;
}

std::vector<Group::Directory> Group::Directories() const {
  std::vector<Directory> all;
  for (const Branch& branch : tree_->branches())
    all.push_back({branch.hierarchy, branch.FullPath()});
  return all;
}

Result<Stats> Group::ReadStats() const {
  if (!Exists()) return FailNotThere(*tree_);
  return ReadTreeStats(*tree_);
}

Status Group::Freeze() {
  if (!Exists()) return FailNotThere(*tree_);
  return FreezeBranch(*tree_->Members());
}

Status Group::Thaw() {
  if (!Exists()) return FailNotThere(*tree_);
  return ThawBranch(*tree_->Members());
}

Result<bool> Group::IsFrozen() const {
  if (!Exists()) return false;
  return IsBranchFrozen(*tree_->Members());
}

Result<std::vector<pid_t>> Group::Pids() const {
  if (!Exists()) return std::vector<pid_t>();
  return MembersOf(*tree_->Members());
}

Status Group::Kill() {
  if (!Exists()) return {};
  return KillMembers(*tree_->Members());
}

Status Group::Remove(std::chrono::milliseconds patience) {
  // First where the members are: a group that cannot go stays whole, limits and all.
  const Branch* members = tree_->Members();
  if (members != nullptr) TRY(RemoveBranch(*members, patience));
  for (const Branch& branch : tree_->branches()) {
    if (&branch != members && branch.directory.valid()) TRY(RemoveBranch(branch, patience));
  }
  return tree_->scope() ? StopScope(tree_->scope()->name) : Status();
}

Result<os::Fd> Group::OomEvents() const {
  const Branch* branch = tree_->Find("memory");
  if (branch == nullptr) {
    return Fail(Code::kFailedPrecondition,
                "no events of memory: the group has no memory controller");
  }
  return branch->v2() ? OomEventsV2(*branch) : OomEventsV1(*branch);
}

}  // namespace wasmoor::cgroup
