#pragma once

#include <optional>
#include <string>

#include "host/mailbox.h"
#include "host/modules.h"
#include "host/skeletons.h"
#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/root.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/unix_socket.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::host {

// What the threads of all guests use. Made before the first of them, and outlives the last.
struct Common {
  container::SharedEngine engine;
  wasm::Cache cache;  // For hashes of modules.
  os::Fd stage;       // See jail::MakeStage.
  // How control groups are mounted, and those in which threads can be; none where none are.
  std::optional<cgroup::Root> groups, thread_groups;
  Skeletons skeletons;
  std::string filters;  // A directory of seccomp::CompileCached.
  mutable Mailbox notes;
  mutable ModuleTable modules;
  // Where a thread leaves a module's file that it wants to have loaded, in a message with the
  // guest's number and the hash; read by the thread that loads.
  os::SocketPair wanted;
};

}  // namespace wasmoor::host
