#pragma once

#include <map>
#include <string>
#include <vector>

#include "jail/namespaces.h"
#include "wasmoor/base/result.h"

namespace wasmoor::jail {

// What the next child of this process is in, put back when this is destroyed: later children
// (hooks) belong to the runtime, and so does the rest of its work. Before a second thread.
class NamespacesForChild {
 public:
  // Enters what `plan` joins and makes a new time namespace with `offsets` (linux.timeOffsets).
  // What it may not enter is left in `refused`, if that is not null: whoever enters the user
  // namespace that owns them may.
  static Result<NamespacesForChild> Enter(const NamespacePlan& plan,
                                          const std::map<std::string, oci::TimeOffset>& offsets,
                                          std::vector<const NamespacePlan::Joined*>* refused);
  NamespacesForChild(NamespacesForChild&&) = default;
  ~NamespacesForChild();

  // In the child: it stays where it is.
  void Forget() { before_.clear(); }

 private:
  NamespacesForChild() = default;
  std::vector<NamespacePlan::Joined> before_;
};

}  // namespace wasmoor::jail
