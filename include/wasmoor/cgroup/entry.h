#pragma once

#include <sys/types.h>

#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cgroup {

// The way of a new process into a group, without the machine-wide lock that moving another process
// takes (Group::Add): the kernel makes every fork and exit of the machine wait for that, and its
// holder for an RCU grace period, some 10 ms on a busy machine. Neither a process that is cloned
// into a group of v2 (CLONE_INTO_CGROUP) nor a thread that moves itself on v1 needs it.
//
// Opened by whoever made the group, with its rights; used by a process that it clones. Movable.
class Entry {
 public:
  // kFailedPrecondition if the group does not exist: a scope of systemd's that has not started.
  // A container may have divided its group, which then takes no process on v2 (cgroups(7), "no
  // internal processes"): the way is into the nested group of the process `beside`, if it is not 0.
  static Result<Entry> Open(const Group& group, pid_t beside = 0);

  // The way in for threads, each by Enter, of a group that CreateThreadGroup has made.
  static Result<Entry> OpenForThreads(const Group& group);

  // For os::CloneOptions::cgroup; null if the group has no directory of v2.
  const os::Fd* clone_into() const { return unified_.valid() ? &unified_ : nullptr; }

  // In the new process, before it has a second thread: into the group's directories of v1. Or in a
  // thread, which moves alone.
  Status Enter() const;

 private:
  os::Fd unified_;
  std::vector<os::Fd> tasks_;
};

}  // namespace wasmoor::cgroup
