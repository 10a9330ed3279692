#include "host/modules.h"

#include <algorithm>
#include <utility>

namespace wasmoor::host {

uint64_t ModuleTable::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

ModuleTable::Loaded ModuleTable::Find(const wasm::ModuleHash& module, uint64_t count) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(module);
  if (found == entries_.end() || found->second.number > count) return nullptr;
  found->second.used = ++uses_;
  return found->second.loaded;
}

void ModuleTable::Keep(const wasm::ModuleHash& module, Loaded loaded) {
  Loaded dropped;  // Outside of the lock: unmapping takes time.
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kMost && !entries_.contains(module)) {
    const auto oldest = std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& one, const auto& other) { return one.second.used < other.second.used; });
    dropped = std::move(oldest->second.loaded);
    entries_.erase(oldest);
  }
  entries_[module] = Entry{std::move(loaded), ++count_, ++uses_};
}

}  // namespace wasmoor::host
