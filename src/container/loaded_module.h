#pragma once

#include <memory>

#include "container/descriptors.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::container {

// A module whose code is there to be run, and what goes with it. Never changed: a guest is made of
// it in a copy of this process.
struct LoadedModule {
  program::Host host;
  std::shared_ptr<const wasm::Module> module;
  wasm::Tier tier = wasm::Tier::kOptimized;
  EngineDescriptors descriptors;
  // It serves HTTP, and its code is for that: else it is linked.
  bool serves = false;
};

}  // namespace wasmoor::container
