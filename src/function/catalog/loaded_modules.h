#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/wasm/cache.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::function {

// Modules in memory: each once, whichever functions are of it, and as long as somebody has it. One
// thread.
class LoadedModules {
 public:
  LoadedModules(const wasm::Engine& engine, const wasm::Cache& cache)
      : engine_(engine), cache_(cache) {}

  struct Loaded {
    std::shared_ptr<const wasm::Module> module;
    wasm::Tier tier = wasm::Tier::kOptimized;
  };
  // What is there already, or in the cache; nothing if it is to be compiled first. Compiles
  // nothing. What the cache warns of is added to `warnings`.
  Result<std::optional<Loaded>> Find(const wasm::ModuleHash& hash, wasm::Cache::Policy policy,
                                     std::vector<std::string>* warnings);

 private:
  struct Entry {
    std::weak_ptr<const wasm::Module> module;
    wasm::Tier tier = wasm::Tier::kOptimized;
  };
  void Sweep();

  const wasm::Engine& engine_;
  const wasm::Cache& cache_;
  std::map<wasm::ModuleHash, Entry> entries_;
  size_t sweep_at_ = 64;  // Entries.
};

Kind KindOf(const wasm::Module& module);

// Can it be run with this manifest? Links it, so that what it imports is looked up here.
// kFailedPrecondition: it imports what nobody provides, or has no such export.
Status CheckModule(const wasm::Module& module, const Manifest& manifest);

}  // namespace wasmoor::function
