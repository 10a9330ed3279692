#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "wasmoor/wasm/engine.h"

namespace wasmoor::cmd {

// What the runtime supports, as features.md and features-linux.md of the OCI runtime specification
// have it. Capabilities are those of this kernel; nothing else is asked of the machine.
nlohmann::ordered_json FeaturesDocument(std::span<const wasm::EngineFactory> engines);

}  // namespace wasmoor::cmd
