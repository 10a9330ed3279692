#pragma once

#include <span>

#include "cmd/shim_line/shim_line.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::cmd {

// What `-info` does: prints a containerd.types.RuntimeInfo for containerd, with the features that
// this program has with `engines`.
Status TellInfo(const ShimLine& shim, std::span<const wasm::EngineFactory> engines);

// What help says of that.
inline constexpr std::string_view kInfoHelp =
    "Prints a message of the type containerd.types.RuntimeInfo, for containerd: the name and "
    "version of this runtime, and its features as the OCI runtime specification has them. "
    "Standard input may be the runtime's options, a google.protobuf.Any.";

}  // namespace wasmoor::cmd
