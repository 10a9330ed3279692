#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::cmd {

// The engines built into this program, the default first. A new engine is a folder under wasm/ and
// a line in engines.cc.
std::span<const wasm::EngineFactory> Engines();

// The one called `name`; the default if it is empty. kNotFound names those there are.
Result<wasm::EngineFactory> FindEngine(std::string_view name);

// A module or component as a binary: `bytes` are one, or are its text format. kInvalidArgument if
// neither.
Result<std::vector<uint8_t>> ToBinary(std::vector<uint8_t> bytes);

}  // namespace wasmoor::cmd
