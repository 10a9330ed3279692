#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "wasmoor/wasm/cache.h"

namespace wasmoor::container {

struct LoadedModule;

// Modules that stay loaded in this process for the next container that runs the same bytes: it is
// then spared its engine, and the reading, checking and linking of its code. Nothing of a guest is
// in them, which are as they were before the first was made. One thread.
class KeptModules {
 public:
  // Null: it is not kept.
  std::shared_ptr<const LoadedModule> Find(const wasm::ModuleHash& module) const;
  // In place of the one that was kept first, if there are too many.
  void Keep(const wasm::ModuleHash& module, std::shared_ptr<const LoadedModule> loaded);
  // For a process that has nothing to do, whose memory others could use.
  void Forget() { kept_.clear(); }

  static constexpr size_t kMost = 8;  // The images of a pod.

 private:
  std::vector<std::pair<wasm::ModuleHash, std::shared_ptr<const LoadedModule>>> kept_;
};

}  // namespace wasmoor::container
