#pragma once

#include <memory>

#include "container/wasm_program.h"
#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::container {

// How a component is served in a container with this configuration, where its environment says
// nothing: on as many threads as its CPU quota is worth, with as many guests at once as its memory
// is good for; and free to ask whom it likes if the container has a network namespace, whose owner
// says what can be reached from there. In the host's, which has the host's own services on its
// loopback device, a guest asks nobody unless the operator has said whom.
Result<serve::Settings> ServerDefaults(const oci::Linux& config, const GuestBounds& bounds);

// The server of a container's process. To be made where the engine is. kFailedPrecondition: the
// component imports what nobody provides.
Result<std::unique_ptr<jail::Program>> MakeHttpProgram(GuestPlan plan, serve::Settings settings);

}  // namespace wasmoor::container
