#pragma once

#include <sys/types.h>

#include <cstdint>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// New processes and namespaces. Only src/jail/spawn_*.cc may use these (tests/law).
namespace wasmoor::os {

struct CloneOptions {
  uint64_t namespaces = 0;     // CLONE_NEW… of clone(2).
  const Fd* cgroup = nullptr;  // A directory of cgroup v2 that the child starts in; null: ours.
  bool sibling = false;        // A child of our parent, who waits for it (CLONE_PARENT).
};

// The two ends of a clone.
struct Cloned {
  pid_t pid = 0;  // In the parent: the child. 0 in the child.
  Fd process;     // Its pidfd, in the parent.
};

// clone3(2) as fork(2): the child goes on from here with a copy of everything. CHECKs that this
// process has one thread: a copy of another's half-done work (a lock of malloc's) would stay so for
// ever. The C library does not know of the child: what it keeps of thread ids is the parent's there
// (raise(3) and abort(3) miss their aim), and no handler of pthread_atfork(3) runs.
Result<Cloned> Clone(const CloneOptions& options);

// unshare(2) and setns(2), for this process. `type`: CLONE_NEW… that the descriptor must be of, 0:
// any; with a pidfd those of its process, all at once or none.
Status Unshare(int namespaces);
Status EnterNamespace(const Fd& file, int type);

}  // namespace wasmoor::os
