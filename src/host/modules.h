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

  // How many were kept so far. A thread whose descriptor table was copied at that time has those
  // that the engine keeps open for them, and for no later one.
  uint64_t count() const;
  // None if it was kept later than that.
  Loaded Find(const wasm::ModuleHash& module, uint64_t count) const;
  // In place of the one that was used longest ago, if there are too many; guests that run it keep
  // theirs.
  void Keep(const wasm::ModuleHash& module, Loaded loaded);

  static constexpr size_t kMost = 256;

 private:
  struct Entry {
    Loaded loaded;
    uint64_t number = 0;        // As count() was after it.
    mutable uint64_t used = 0;  // By the clock of uses.
  };
  mutable std::mutex mutex_;
  mutable uint64_t uses_ = 0;
  uint64_t count_ = 0;
  std::map<wasm::ModuleHash, Entry> entries_;
};

}  // namespace wasmoor::host
