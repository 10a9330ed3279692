#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// Where a shim is found: one for each group of containers, which is a pod.
namespace wasmoor::cmd {

// The group of the container whose bundle is the current directory: what its annotations name, or
// `id` itself, also if there is no config.json (a pod without a pause container has none).
Result<std::string> GroupOf(const std::string& id);

struct SocketName {
  std::string directory;  // Empty: /run/containerd/s
  std::string containerd_address, name_space, group;

  // containerd's own rule: the SHA-256 of address/namespace/group in hexadecimal.
  // kInvalidArgument if that is longer than the path of a socket may be.
  Result<std::string> Path() const;
};

bool IsSocketServed(const std::string& path);

// What is at a socket's path.
struct Claim {
  bool is_served = false;
  os::Fd listening;  // Listens there, if nobody did.
};

// Takes the path, for this user alone, unless somebody serves it. What nobody serves is removed.
// Of many processes at once one gets it.
Result<Claim> ClaimSocket(const std::string& path);

// Removes it if nobody serves it, or who did is being killed; no error if it is not there. Waits for
// an answer of who serves it, for a second at most.
Status RemoveDeadSocket(const std::string& path);

// As containerd names a socket: "unix://" and its path.
std::string AddressOf(const std::string& path);
// In the bundle that is the current directory, where containerd up to 1.7 looks for the shim of a
// container when it has been started again.
Status WriteAddress(const std::string& path);
// The path that is noted in a bundle.
Result<std::string> ReadAddress(const std::string& bundle);

}  // namespace wasmoor::cmd
