#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/wasm/engine.h"
#include "wasmoor/wasm/trusted_code.h"

namespace wasmoor::wasm {

struct CacheOptions {
  std::filesystem::path directory;             // Made with mode 0700 if absent.
  uint64_t max_bytes = uint64_t{2} << 30;      // Of all entries; least recently used go first.
};

// Precompiled modules on disk. An entry's key is the SHA-256 of the module and the engine's
// fingerprint, tier included. (The essay on format and crash safety stands in cache.cc.)
// Many processes and threads may use one directory at once: whoever needs a module that is not there
// compiles it while the others wait for that one. Killing any of them at any moment leaves either a
// whole entry or none. Thread-safe.
class Cache {
 public:
  // kPermissionDenied if the directory, or one that leads to it, can be written by somebody else than its owner, or is not
  // owned by the caller (or root): its content is native code.
  static Result<Cache> Open(CacheOptions options);

  // What the cache did for one module.
  struct Found {
    std::shared_ptr<const Module> module;
    Tier tier = Tier::kOptimized;  // Of the code in `module`.
    enum class Source : uint8_t { kHit, kCompiled, kWaited } source = Source::kHit;
    std::chrono::nanoseconds compile_time{0};
    // One line for the operator, once: an entry was damaged and was compiled again, or the cache could
    // not be written and why. Empty if all is well.
    std::string warning;
  };
  enum class Policy : uint8_t {
    kOptimized,  // Optimized code, however long it takes.
    kFastest,    // Optimized code if it is there, else whatever runs soonest; see Found::tier.
  };
  // Finds or compiles. A cache that cannot be written is no error: the module is compiled for
  // this process only, and Found::warning says so. `wasm` may be text (.wat).
  Result<Found> Load(const Engine& engine, Bytes wasm, Policy policy) const;

  // Compiles the optimized code of a module into the cache unless it is there or another
  // process is at it. True if this call did it.
  Result<bool> Optimize(const Engine& engine, Bytes wasm) const;

  // Is there an entry? Does not count as use.
  bool Contains(const Engine& engine, Bytes wasm, Tier tier) const;

  struct Entry {
    std::string module_hash;  // SHA-256 of the .wasm, hex.
    std::string fingerprint;  // Engine::Fingerprint of the one that made it.
    Tier tier;
    bool is_component;
    uint64_t bytes;
    std::chrono::system_clock::time_point created, last_used;
    std::string damage;  // Verify only: what is wrong; empty if sound.
  };
  Result<std::vector<Entry>> List() const;    // Most recently used first.
  Result<std::vector<Entry>> Verify() const;  // Reads every entry whole; removes none.

  struct Pruned {
    uint64_t entries = 0, bytes = 0;
  };
  // Removes least recently used entries until at most max_bytes remain, entries not used since
  // `older_than` (if given), damaged ones, and what killed processes left behind.
  Result<Pruned> Prune(uint64_t max_bytes,
                       std::optional<std::chrono::system_clock::time_point> older_than) const;

  const CacheOptions& options() const { return options_; }

 private:
  Cache(CacheOptions options, os::Fd directory, bool writable);
  CacheOptions options_;
  os::Fd directory_;
  bool writable_;
};

}  // namespace wasmoor::wasm
