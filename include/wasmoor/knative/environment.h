#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "wasmoor/base/result.h"

namespace wasmoor::knative {

// What Knative Serving tells a container by its environment (its runtime contract, "Process").
struct ContainerEnvironment {
  std::optional<uint16_t> port;  // PORT: where it must listen.
  std::string service;           // K_SERVICE
  std::string revision;          // K_REVISION
  std::string configuration;     // K_CONFIGURATION

  // Other platforms set PORT as well.
  bool IsKnative() const { return !service.empty() || !revision.empty(); }
};

// `get` as getenv(3): null if there is no such variable. An empty one is as none. kInvalidArgument:
// PORT is no port.
Result<ContainerEnvironment> ReadContainerEnvironment(
    const std::function<const char*(const char*)>& get);

}  // namespace wasmoor::knative
