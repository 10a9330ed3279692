#pragma once

#include <string>

#include "wasm/wasmtime/handles.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::wasm::wasmtime {

// What a wasm_engine_t is made for. Components of kManyGuests run on stacks of the pool (drive.rs),
// core modules on the stack of the thread that runs them.
//
// kServe: components of one handler of HTTP, in the process that makes the engine.
enum class Purpose { kCompile, kRunModules, kRunComponents, kServe };

// An engine of wasmtime's for one tier. An engine that runs optimized code has no compiler in it,
// which saves most of its start-up; one that runs baseline code cannot be told apart from one that
// compiles it.
Result<EngineHandle> NewEngine(const EngineOptions& options, Tier tier, Purpose purpose);

// Everything besides the module that compiled code depends on; see Engine::Fingerprint.
std::string FingerprintOf(const EngineOptions& options, Tier tier);

// The features that a tier has of those asked for.
Features FeaturesOf(const Features& wanted, Tier tier);

}  // namespace wasmoor::wasm::wasmtime
