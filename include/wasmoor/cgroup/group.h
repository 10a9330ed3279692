#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/root.h"
#include "wasmoor/cgroup/stats.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cgroup {

class Tree;

// Who makes the group.
enum class Driver : uint8_t {
  kFiles,  // This library, by making directories. linux.cgroupsPath is a path.
  // systemd, asked for a transient scope (systemd.scope(5)). linux.cgroupsPath is
  // "slice:prefix:name" and the unit prefix-name.scope; the slice may be empty: system.slice, or
  // user.slice of the user's own systemd where this process has no rights on the machine.
  kSystemd,
};

// A container's control group: one directory on v2, one in each hierarchy on v1. Destroying the
// object leaves the group in place: a container outlives the command that made it. Not thread-safe.
class Group {
 public:
  // Where Create would make the group of `path` (linux.cgroupsPath), as text for Open and for
  // CreatePlanned: to be written down before the group exists. Absolute: below the hierarchies'
  // roots. Relative: below this process's own group, on v2 beside it, since a v2 group that has
  // processes cannot have groups with controllers (cgroups(7), "no internal processes").
  // kInvalidArgument if it is no such path. kSystemd asks systemd: kUnavailable if nobody answers.
  static Result<std::string> Plan(const Root& root, std::string_view path,
                                  Driver driver = Driver::kFiles);

  // Makes the group with its parents. Nothing of it exists if this fails. A group that is there
  // already is taken if it has no processes; kFailedPrecondition otherwise, as its members would be
  // killed with the container.
  //
  // kSystemd: a scope cannot be without a process. These two make nothing then; Apply remembers
  // what it is given; the first Add starts the scope with that process in it and sets the limits,
  // so its errors are those of Apply too. Until then Exists() is false and directory() not valid:
  // the first process is cloned outside and added, later ones may be cloned into the group. It has
  // to be one object that is created, limited and given the first process: the text does not have
  // the limits. Remove ends the scope, also after an Add that failed.
  static Result<Group> Create(const Root& root, std::string_view path,
                              Driver driver = Driver::kFiles);
  static Result<Group> CreatePlanned(std::string_view text);

  // The group that `text` names, or what is left of it: a group of which no directory exists has no
  // members and is removed already.
  static Result<Group> Open(std::string_view text);

  Group(Group&&) noexcept;
  Group& operator=(Group&&) noexcept;
  ~Group();

  std::string ToText() const;
  bool Exists() const;  // Whether any of its directories was there when this was made.

  // Sets the limits that `resources` has and leaves others as they are. An error names the field
  // ("linux.resources.memory.limit: …") and the kernel's reason; limits before it are set then.
  Status Apply(const oci::Resources& resources);

  // Moves the process, all its threads, into the group. A cgroup namespace that the process made
  // before has its root where it was (cgroup_namespaces(7)).
  Status Add(pid_t pid);
  // v2 alone: the descriptor for CLONE_INTO_CGROUP (clone(2)), opened O_PATH. Not valid on v1,
  // where a process can only be moved.
  const os::Fd& directory() const;

  // The group's directory in each hierarchy, whether it exists or not.
  struct Directory {
    Hierarchy hierarchy;
    std::string path;  // Of the group, on this machine.
  };
  std::vector<Directory> Directories() const;

  Result<Stats> ReadStats() const;

  // Returns when all members are frozen. kFailedPrecondition if this process is one of them.
  Status Freeze();
  Status Thaw();
  Result<bool> IsFrozen() const;

  // Members, those of nested groups too, each once, as this process's PID namespace numbers them;
  // one that has no number here is left out.
  Result<std::vector<pid_t>> Pids() const;

  // SIGKILL to every member, those of nested groups and frozen ones too. They are still dying when
  // this returns. kFailedPrecondition if this process is one of them.
  Status Kill();

  // Removes the group with the groups nested in it; its parents stay. Members that are dying are
  // waited for; kFailedPrecondition if there are members after `patience`, and then nothing is
  // removed but nested groups without members. No error if it does not exist.
  Status Remove(std::chrono::milliseconds patience = std::chrono::seconds(2));

  // A descriptor that poll(2) finds readable when the group ran out of memory (v1: an eventfd; v2:
  // an inotify of memory.events, which counts other things too). Read it empty, then compare
  // ReadStats().memory->oom_kills with the number before. Also readable once the group is removed.
  Result<os::Fd> OomEvents() const;

 private:
  explicit Group(std::unique_ptr<Tree> tree);
  std::unique_ptr<Tree> tree_;
};

// Of threads.h, for those who remove and make none.
Status RemoveThreadGroup(std::string_view path);

}  // namespace wasmoor::cgroup
