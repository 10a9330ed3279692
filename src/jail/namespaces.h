#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

// How a container's process comes to stand in the namespaces that it shall be in (namespaces(7)).
struct NamespacePlan {
  // Made with the process: CLONE_NEW… for clone3(2).
  uint64_t cloned = 0;
  // Exist, and are entered by the runtime around its clone, so that with the runtime's rights:
  // whoever stands in a user namespace could not enter those of the host any more.
  struct Joined {
    oci::NamespaceType type;
    os::Fd file;
  };
  std::vector<Joined> joined;
  os::Fd user;   // Exists: entered by a process between the runtime and the container's.
  os::Fd mount;  // Exists: entered by the process itself.
  // The runtime's, if the container has none of its own: the process builds its tree in one that
  // it makes for that, and comes back with the tree, which is attached nowhere and so ends with it.
  os::Fd mount_after;
  // Exists: entered once the process is in its control group, since nobody is cloned into a group
  // that the cgroup namespace of whoever clones does not show (cgroups(7), "nsdelegate").
  os::Fd cgroup;
  // New, and made by the runtime around its clone, because offsets are set before anybody is
  // inside.
  bool new_time = false;
  // New, and made by the process once it is in its control group, which becomes the root.
  bool new_cgroup = false;

  bool Makes(oci::NamespaceType type) const;
  // Is the process in another user namespace than the runtime?
  bool ChangesUser() const { return user.valid() || Makes(oci::NamespaceType::kUser); }
};

// CLONE_NEW… of clone(2).
int CloneFlag(oci::NamespaceType type);

// Opens what is to be joined. An Error names linux.namespaces[2].path, and says if the file is no
// namespace, or one of another type.
Result<NamespacePlan> PlanNamespaces(const oci::Linux& config);

// Is it one that the runtime itself is in?
bool IsOurs(const oci::Namespace& entry);

// Has the container no mount namespace but the runtime's?
bool SharesMounts(const oci::Linux& config);

// To stand where the process `pid` does: all of its namespaces that are not ours.
Result<NamespacePlan> PlanNamespacesOf(pid_t pid);

}  // namespace wasmoor::jail
