#include "wasmoor/container/kept_modules.h"

#include <algorithm>

namespace wasmoor::container {

std::shared_ptr<const LoadedModule> KeptModules::Find(const wasm::ModuleHash& module) const {
  const auto found = std::find_if(kept_.begin(), kept_.end(),
                                  [&module](const auto& one) { return one.first == module; });
  return found == kept_.end() ? nullptr : found->second;
}

void KeptModules::Keep(const wasm::ModuleHash& module, std::shared_ptr<const LoadedModule> loaded) {
  if (kept_.size() == kMost) kept_.erase(kept_.begin());
  kept_.emplace_back(module, std::move(loaded));
}

}  // namespace wasmoor::container
