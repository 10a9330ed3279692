#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

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

// All the directories of one group.
class Tree {
 public:
  explicit Tree(std::vector<Branch> branches) : branches_(std::move(branches)) {}

  std::vector<Branch>& branches() { return branches_; }
  const std::vector<Branch>& branches() const { return branches_; }

  // The one whose hierarchy has the controller, nullptr if none has.
  const Branch* Find(std::string_view controller) const;
  // The one that says who is a member: on v1 the freezer's, whose groups hold members still.
  // nullptr if no directory exists.
  const Branch* Members() const;

 private:
  std::vector<Branch> branches_;
};

// Text of a Tree: a line for each branch, its fields separated by tabs.
std::string TreeToText(const Tree& tree);
Result<Tree> TreeFromText(std::string_view text);  // Opens what exists.

// Makes the directory with its parents, and what a group needs before it can have members or
// limits: on v2 the controllers are handed down, in a cpuset hierarchy of v1 the CPUs and nodes.
// Appends what it made to `made`, also when it fails.
Status MakeBranch(Branch* branch, std::vector<std::string>* made);

}  // namespace wasmoor::cgroup
