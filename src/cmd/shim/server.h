#pragma once

#include <string>

#include "cmd/shim/shim_log.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/task/options.h"

namespace wasmoor::cmd {

// What the server of a pod is told by the `start` that it comes from.
struct ServerSettings {
  std::string program;  // The name that it goes by.
  std::string name_space, group;
  std::string bundle;       // Of the pod's first container.
  std::string socket_path;  // Where `listening` listens; removed at the end.
  std::string containerd_address, publish_binary;
  std::string ttrpc_address;  // TTRPC_ADDRESS; may be empty.
  std::string state_root;
  std::string oom_score;  // For its oom_score_adj; empty: as it is.
  task::Options options;
};

// The life of a pod's shim, in the process that is to be it: serves until containerd has no use for
// it any more. The exit status.
int RunServer(const ServerSettings& settings, os::Fd listening);

}  // namespace wasmoor::cmd
