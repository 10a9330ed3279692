#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroup/scope.h"
#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/root.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cgroup {

// The group's directory in one hierarchy.
struct Branch {
  Hierarchy hierarchy;
  std::string path;  // Below the mount point, absolute.
  os::Fd directory;  // O_PATH; not valid while there is none.

  bool v2() const { return hierarchy.version == 2; }
  bool Has(std::string_view controller) const;
  std::string FullPath() const { return hierarchy.mount_point + path; }
};

// The unit of systemd that makes a group's directories.
struct Scope {
  ScopeName name;
  // Of a scope that is planned: what its first process is to find set.
  bool is_planned = false;
  std::vector<oci::Resources> limits;
};

// All the directories of one group.
class Tree {
 public:
  explicit Tree(std::vector<Branch> branches, std::optional<Scope> scope = std::nullopt)
      : branches_(std::move(branches)), scope_(std::move(scope)) {}

  std::vector<Branch>& branches() { return branches_; }
  const std::vector<Branch>& branches() const { return branches_; }

  std::optional<Scope>& scope() { return scope_; }
  const std::optional<Scope>& scope() const { return scope_; }

  // The one whose hierarchy has the controller, nullptr if none has.
  const Branch* Find(std::string_view controller) const;
  // The one that says who is a member: on v1 the freezer's, whose groups hold members still.
  // nullptr if no directory exists.
  const Branch* Members() const;

 private:
  std::vector<Branch> branches_;
  std::optional<Scope> scope_;
};

// Text of a Tree: a line for the scope, if there is one, and one for each branch, their fields
// separated by tabs.
std::string TreeToText(const Tree& tree);
Result<Tree> TreeFromText(std::string_view text);  // Opens nothing.

// Opens the directory, if there is one.
Status OpenBranch(Branch* branch);
Status OpenBranches(Tree* tree);

// The parts of a group of v2 that was divided for threads: of the processes that they are of, and
// of others.
constexpr std::string_view kThreadsPart = "/wasmoor-guests", kOthersPart = "/wasmoor-daemon";

// What was in a group's place before it was made.
enum class Before : uint8_t { kNothing, kGroup, kNoParent };

// Makes the directory with its parents, and what a group needs before it can have members or
// limits: on v2 the controllers are handed down, in a cpuset hierarchy of v1 the CPUs and nodes.
// Appends what it made to `made`, also when it fails. Never kNoParent.
Result<Before> MakeBranch(Branch* branch, std::vector<std::string>* made);

}  // namespace wasmoor::cgroup
