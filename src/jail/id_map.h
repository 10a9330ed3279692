#pragma once

#include <sys/types.h>

#include <span>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::jail {

// Writes the id maps of the user namespace that `child` has just been cloned into
// (user_namespaces(7)), before it goes on. Who has CAP_SETUID and CAP_SETGID here writes them;
// everybody else may map their own id alone, which needs setgroups(2) denied, and for more asks
// newuidmap(1) and newgidmap(1), which know what /etc/subuid and /etc/subgid grant. `child` is
// waited for by nobody else. Errors name linux.uidMappings or linux.gidMappings.
Status WriteIdMaps(pid_t child, std::span<const oci::IdMapping> uids,
                   std::span<const oci::IdMapping> gids);

}  // namespace wasmoor::jail
