#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "wasm/cache/entry.h"
#include "wasm/cache/lock.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {

// One module on its way through the cache, in one call. The only maker of TrustedCode from files.
class Cache::Loader {
 public:
  // Borrows both.
  Loader(const Cache& cache, const Engine& engine, const Digest& module)
      : cache_(cache), engine_(engine), module_(module) {}

  // What is there already; nothing if that is nothing usable.
  Result<std::optional<Found>> LookUp(Policy policy);
  // `wasm` is what `module` is the hash of.
  Result<Found> FindOrCompile(Bytes wasm, Policy policy);
  Result<bool> Optimize(Bytes wasm);

  EntryKey KeyOf(Tier tier) const;

 private:
  // One look at one entry: its module, or what is wrong with it, or neither if there is none.
  struct Look {
    std::shared_ptr<const Module> module;
    std::string damage;
  };
  // The end of waiting for an entry: either its module, or the task of making it.
  struct Claim {
    std::shared_ptr<const Module> module;
    Found::Source source = Found::Source::kHit;
    std::optional<KeyLock> lock;
    bool can_keep = false;
    std::string warning;
  };

  Result<Look> TryEntry(const EntryKey& key) const;
  Result<Found> Make(Bytes wasm, Tier tier);
  Result<Claim> ClaimEntry(const EntryKey& key) const;
  Result<Claim> ClaimWithoutLock(const EntryKey& key, const Error& reason) const;
  Result<TrustedCode> Compile(Bytes wasm, Tier tier);
  Result<Found> Finish(TrustedCode code, const EntryKey& key, Claim claim) const;
  Status Store(const TrustedCode& code, const EntryKey& key) const;
  std::string Discard(const EntryKey& key, const std::string& damage) const;
  void DropBaseline() const;

  const os::Fd& directory() const { return cache_.directory_; }

  const Cache& cache_;
  const Engine& engine_;
  const Digest module_;
  bool announced_ = false;
  std::chrono::nanoseconds compile_time_{0};
};

}  // namespace wasmoor::wasm
