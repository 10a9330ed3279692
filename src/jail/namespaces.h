#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

// How a container's process comes to stand in the namespaces that its configuration names
// (namespaces(7)).
struct NamespacePlan {
  // Made with the process: CLONE_NEW… for clone3(2).
  uint64_t cloned = 0;
  // Exist: entered by the process itself, in this order. A user namespace comes first, because its
  // rights are needed for what it owns.
  struct Joined {
    oci::NamespaceType type;
    os::Fd file;
  };
  std::vector<Joined> joined;
  // Exist, and only a child of whoever enters them is in them (pid_namespaces(7),
  // time_namespaces(7)): entered by the runtime around its clone.
  std::vector<Joined> joined_for_children;
  // New, and made by the runtime around its clone, because offsets are set before anybody is
  // inside.
  bool new_time = false;
  // New, and made by the process once it is in its control group, which becomes the root.
  bool new_cgroup = false;

  bool Makes(oci::NamespaceType type) const;
};

// CLONE_NEW… of clone(2).
int CloneFlag(oci::NamespaceType type);

// Opens what is to be joined. An Error names linux.namespaces[2].path, and says if the file is no
// namespace, or one of another type.
Result<NamespacePlan> PlanNamespaces(const oci::Linux& config);

// This process's namespaces for its children as they were, put back when this is destroyed: its
// later children (hooks) belong to the runtime. Before a second thread.
class ChildNamespaces {
 public:
  // Enters and makes what `plan` has for children; `offsets` are of linux.timeOffsets.
  static Result<ChildNamespaces> Enter(const NamespacePlan& plan,
                                       const std::map<std::string, oci::TimeOffset>& offsets);
  ChildNamespaces(ChildNamespaces&&) = default;
  ~ChildNamespaces();

 private:
  ChildNamespaces() = default;
  std::vector<NamespacePlan::Joined> before_;
};

}  // namespace wasmoor::jail
