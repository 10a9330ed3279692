#pragma once

#include <sys/types.h>

#include <set>

#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::sandbox {

// Reaps what containers leave behind to this process, the reaper of its descendants: a daemon in
// the host's PID namespace whose parent has ended, say. Nobody waits for those, and nothing tells
// them from children that somebody is about to wait for, but time: whoever is still a zombie at a
// second look is nobody's. Blocks SIGCHLD. One for a process, however many sandboxes it has; made
// before the first of them, loop thread only. The loop must outlive it.
class Orphans {
 public:
  explicit Orphans(loop::Loop& loop);
  Orphans(const Orphans&) = delete;
  Orphans& operator=(const Orphans&) = delete;

 private:
  void Look();

  loop::Loop& loop_;
  os::Fd signals_;       // Of signalfd(2).
  loop::Source source_;  // Destroyed before what it watches.
  loop::Timer next_;
  std::set<pid_t> seen_;  // Zombies of the last look.
};

}  // namespace wasmoor::sandbox
