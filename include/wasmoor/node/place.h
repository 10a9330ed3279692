#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/task/options.h"

// The sandboxes of one node, all held by one process: its daemon.
namespace wasmoor::node {

// Whose sandbox, and which: two namespaces of containerd may have sandboxes of the same id, which
// is the name of a group of containers, as of a pod.
struct Key {
  std::string name_space, id;
  auto operator<=>(const Key&) const = default;
};

// kInvalidArgument if a name cannot be that of a directory: both become parts of paths.
Status Check(const Key& key);

// What there is to know of a sandbox before it is made, and all that is needed to serve it again.
struct Place {
  // What a sandbox lives for. kTasks: it goes with its last task, and when containerd has forgotten
  // it. kPod: it is somebody's who removes it (Sandboxes::Remove).
  enum class Life : uint8_t { kTasks, kPod };

  Key key;
  std::string bundle;              // Of the first container: a directory, absolute. Empty for kPod.
  std::string ttrpc_address;       // Where containerd takes events; may be empty.
  std::string containerd_address;  // Where it is asked for images.
  std::string publish_binary;      // What publishes events where there is no ttrpc_address.
  Life life = Life::kTasks;
  task::Options options;
};

}  // namespace wasmoor::node
