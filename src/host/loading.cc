#include "host/loading.h"

#include <utility>

namespace wasmoor::host {

void Loading::Load(const wasm::ModuleHash& hash, program::Source source, Done done) {
  if (Loaded loaded = common_.modules.Find(hash, common_.modules.count()))
    return done(std::move(loaded));
  auto& load = loads_[hash];
  if (load) return load->waiting.push_back(std::move(done));
  load = std::make_unique<UnderWay>(loop_);
  load->source = std::move(source);
  load->waiting.push_back(std::move(done));
  auto loading = std::make_unique<container::ModuleLoading>(
      options_, load->source, container::ModuleLoading::Use::kProgram);
  load->pump.Run(std::move(loading),
                 [this, hash](Result<Loaded> loaded) { Finish(hash, std::move(loaded)); });
}

void Loading::Finish(const wasm::ModuleHash& hash, Result<Loaded> loaded) {
  // Baseline code is there until the optimized one is: who comes later looks again.
  if (loaded && (*loaded)->tier == wasm::Tier::kOptimized) common_.modules.Keep(hash, *loaded);
  const auto found = loads_.find(hash);
  const std::vector<Done> waiting = std::move(found->second->waiting);
  // The object is the one that calls.
  loop_.Post([gone = std::shared_ptr<UnderWay>(std::move(found->second))] {});
  loads_.erase(found);
  for (const Done& done : waiting) done(loaded);
}

}  // namespace wasmoor::host
