#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "container/loaded_module.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::host {

// The modules whose code is in this process, by the SHA-256 of their bytes. Any thread.
class ModuleTable {
 public:
  using Loaded = std::shared_ptr<const container::LoadedModule>;

  Loaded Find(const wasm::ModuleHash& module) const;
  // In place of the one that was used longest ago, if there are too many; guests that run it keep
  // theirs.
  void Keep(const wasm::ModuleHash& module, Loaded loaded);
  size_t size() const;

  static constexpr size_t kMost = 256;

 private:
  struct Entry {
    Loaded loaded;
    mutable uint64_t used = 0;  // By the clock of uses.
  };
  mutable std::mutex mutex_;
  mutable uint64_t uses_ = 0;
  std::map<wasm::ModuleHash, Entry> entries_;
};

}  // namespace wasmoor::host
