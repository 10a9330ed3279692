#include "jail/rootfs/mount_testing.h"

#include "support/namespaces.h"

namespace wasmoor::jail {

void ScratchRoot::InNamespaces(int flags, const std::function<void()>& body) {
  test::InNamespaces(flags, body);
}

}  // namespace wasmoor::jail
