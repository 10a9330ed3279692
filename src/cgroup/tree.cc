#include "cgroup/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "cgroup/control_file.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

// Those that limits and statistics are made of, as cgroup.subtree_control takes them.
constexpr std::array<std::string_view, 8> kHandedDown = {"cpuset",  "cpu",  "io",   "memory",
                                                         "hugetlb", "pids", "rdma", "misc"};

bool HasWord(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    std::string_view line = TakeUntil(&text, '\n');
    while (!line.empty()) {
      if (TakeUntil(&line, ' ') == word) return true;
    }
  }
  return false;
}

// Lets the children of a v2 group have its controllers. What the kernel refuses is missing in the
// child, and the limit that needs it is refused by name.
void HandDownControllers(const os::Fd& group) {
  const std::string there = ReadControlOrNothing(group, "cgroup.controllers");
  const std::string given = ReadControlOrNothing(group, "cgroup.subtree_control");
  std::string all;
  std::vector<std::string> each;
  for (const std::string_view controller : kHandedDown) {
    if (!HasWord(there, controller) || HasWord(given, controller)) continue;
    each.push_back("+" + std::string(controller));
    all += (all.empty() ? "" : " ") + each.back();
  }
  if (all.empty() || WriteControl(group, "cgroup.subtree_control", all)) return;
  for (const std::string& one : each)
    static_cast<void>(WriteControl(group, "cgroup.subtree_control", one));
}

// A new group of a v1 cpuset hierarchy has no CPU and no node, and takes no member until it has
// (cpuset(7)).
Status InheritCpuset(const os::Fd& parent, const os::Fd& group) {
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    const std::string own = TRY(ReadControl(group, file));
    if (own.find_first_not_of(" \n") != std::string::npos) continue;
    TRY(WriteControl(group, file, TRY(ReadControl(parent, file))));
  }
  return {};
}

// The part of a path down to each of its components: "/a", "/a/b".
std::vector<std::string> Steps(const std::string& path) {
  std::vector<std::string> steps;
  for (size_t at = 1; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) steps.push_back(path.substr(0, end));
    at = end + 1;
  }
  return steps;
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// A group below the root of its hierarchy, and nothing else whatever the text says: what is in it
// gets killed.
bool NamesAGroup(const std::string& path) {
  const std::vector<std::string> steps = Steps(path);
  return path.starts_with('/') && !steps.empty() && path.find('\0') == std::string::npos &&
         std::none_of(steps.begin(), steps.end(), [](const std::string& step) {
           return NameOf(step) == "." || NameOf(step) == "..";
         });
}

Result<Before> MakeDirectory(const os::Fd& parent, const std::string& name, const std::string& full,
                             std::vector<std::string>* made) {
  if (mkdirat(parent.get(), name.c_str(), 0755) == 0) {
    made->push_back(full);
    return Before::kNothing;
  }
  if (errno == EEXIST) return Before::kGroup;
  if (errno == ENOENT) return Before::kNoParent;
  return FailErrno(errno, "make control group {}", full);
}

constexpr std::string_view kScopeLine = "systemd", kSystem = "system", kUser = "user";

Result<Scope> ScopeFromLine(std::string_view line) {
  const std::string_view whole = line;
  Scope scope;
  const std::string_view manager = TakeUntil(&line, '\t');
  scope.name.manager = manager == kUser ? Manager::kUser : Manager::kSystem;
  scope.name.slice = TakeUntil(&line, '\t');
  scope.name.unit = line;
  if ((manager != kUser && manager != kSystem) || !scope.name.unit.ends_with(".scope"))
    return Fail(Code::kInvalidArgument, "'{}' names no scope of systemd", whole);
  return scope;
}

}  // namespace

bool Branch::Has(std::string_view controller) const {
  const auto& own = hierarchy.controllers;
  return (v2() && own.empty()) || std::find(own.begin(), own.end(), controller) != own.end();
}

const Branch* Tree::Find(std::string_view controller) const {
  for (const Branch& branch : branches_) {
    if (branch.directory.valid() && branch.Has(controller)) return &branch;
  }
  return nullptr;
}

const Branch* Tree::Members() const {
  if (const Branch* freezer = Find("freezer")) return freezer;
  for (const Branch& branch : branches_) {
    if (branch.directory.valid()) return &branch;
  }
  return nullptr;
}

Status OpenBranch(Branch* branch) {
  auto directory = os::OpenAt(os::Fd(), branch->FullPath().c_str(), O_PATH | O_DIRECTORY);
  if (!directory && directory.error().error_number() == ENOENT) return {};
  branch->directory = TRY_AS(std::move(directory), "control group");
  return {};
}

Status OpenBranches(Tree* tree) {
  for (Branch& branch : tree->branches()) TRY(OpenBranch(&branch));
  return {};
}

std::string TreeToText(const Tree& tree) {
  std::string text;
  if (const auto& scope = tree.scope()) {
    text = fmt::format("{}\t{}\t{}\t{}\n", kScopeLine,
                       scope->name.manager == Manager::kUser ? kUser : kSystem, scope->name.slice,
                       scope->name.unit);
  }
  for (const Branch& branch : tree.branches()) {
    text += fmt::format("v{}\t{}\t{}\t{}\n", branch.hierarchy.version,
                        fmt::join(branch.hierarchy.controllers, ","), branch.hierarchy.mount_point,
                        branch.path);
  }
  return text;
}

Result<Tree> TreeFromText(std::string_view text) {
  std::vector<Branch> branches;
  std::optional<Scope> scope;
  while (!text.empty()) {
    std::string_view line = TakeUntil(&text, '\n');
    const std::string_view whole = line;
    Branch branch;
    const std::string_view version = TakeUntil(&line, '\t');
    if (version == kScopeLine) {
      scope = TRY(ScopeFromLine(line));
      continue;
    }
    std::string_view controllers = TakeUntil(&line, '\t');
    while (!controllers.empty())
      branch.hierarchy.controllers.emplace_back(TakeUntil(&controllers, ','));
    branch.hierarchy.mount_point = TakeUntil(&line, '\t');
    branch.path = line;
    branch.hierarchy.version = version == "v1" ? 1 : 2;
    if ((version != "v1" && version != "v2") || !branch.hierarchy.mount_point.starts_with('/') ||
        !NamesAGroup(branch.path)) {
      return Fail(Code::kInvalidArgument, "'{}' names no control group", whole);
    }
    branches.push_back(std::move(branch));
  }
  if (branches.empty()) return Fail(Code::kInvalidArgument, "the text names no control group");
  return Tree(std::move(branches), std::move(scope));
}

Result<Before> MakeBranch(Branch* branch, std::vector<std::string>* made) {
  if (!branch->v2() && !branch->Has("cpuset")) {
    // Most groups stand below one that is there, and need no more than the directory.
    const Before before =
        TRY(MakeDirectory(os::Fd(), branch->FullPath(), branch->FullPath(), made));
    if (before != Before::kNoParent) {
      TRY(OpenBranch(branch));
      if (branch->directory.valid()) return before;
    }
  }
  const std::string& mount = branch->hierarchy.mount_point;
  os::Fd parent = TRY(os::OpenAt(os::Fd(), mount.c_str(), O_PATH | O_DIRECTORY));
  Before before = Before::kNothing;
  for (const std::string& step : Steps(branch->path)) {
    const std::string full = mount + step, name = NameOf(step);
    if (branch->v2()) HandDownControllers(parent);
    before = TRY(MakeDirectory(parent, name, full, made));
    if (before == Before::kNoParent) return FailErrno(ENOENT, "make control group {}", full);
    os::Fd group =
        TRY_AS(os::OpenAt(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW), "{}", full);
    if (branch->Has("cpuset") && !branch->v2()) TRY_AS(InheritCpuset(parent, group), "{}", full);
    parent = std::move(group);
  }
  branch->directory = std::move(parent);
  return before;
}

}  // namespace wasmoor::cgroup
