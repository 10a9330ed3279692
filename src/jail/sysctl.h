#pragma once

#include <map>
#include <string>

#include "jail/namespaces.h"
#include "wasmoor/base/result.h"

namespace wasmoor::jail {

// Refuses what is not of the container alone: a kernel parameter (sysctl(8)) that no namespace has
// for itself, or one of a namespace that the container shares with the host, would change the host.
// Errors name linux.sysctl.
Status CheckSysctls(const std::map<std::string, std::string>& sysctls, const oci::Linux& config);

// Sets them, in the container's namespaces, by the /proc that is there.
Status SetSysctls(const std::map<std::string, std::string>& sysctls);

}  // namespace wasmoor::jail
