#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/wasm/engine.h"
#include "wasmoor/wasm/trusted_code.h"

namespace wasmoor::wasm {

// SHA-256 of a module's bytes, by which the cache knows it.
using ModuleHash = std::array<uint8_t, 32>;

struct CacheOptions {
  std::filesystem::path directory;                // Made with mode 0700 if absent.
  uint64_t max_bytes = uint64_t{2} << 30;         // Of all entries; least recently used go first.
  uint64_t max_module_bytes = uint64_t{1} << 30;  // LoadFile refuses larger files.
  // How long to wait for somebody else who compiles the same module before compiling it too: the
  // other may be stopped or frozen, and nothing but time tells that from being slow.
  std::chrono::milliseconds patience{60'000};
  // Called once before a Load compiles or waits for another's compiler, on the loading thread; for
  // telling a person why it takes time. May be empty. Must not use the cache.
  std::function<void(Tier tier, uint64_t wasm_bytes)> before_compile;
};

// $WASMOOR_CACHE_DIR; else $XDG_CACHE_HOME/wasmoor/modules; else ~/.cache/wasmoor/modules; for root
// without a home, /var/cache/wasmoor/modules. Nothing for anybody else without a home. Relative
// paths in these variables do not count (XDG Base Directory Specification), nor does anything in
// them if the program is set-user-ID. Reads the environment: before other threads change it.
std::optional<std::filesystem::path> DefaultCacheDirectory();

// Precompiled modules on disk. An entry's key is the SHA-256 of the module and the engine's
// fingerprint, tier included. (The essay on format and crash safety stands in cache.cc.)
// Many processes and threads may use one directory at once: whoever needs a module that is not
// there compiles it while the others wait for that one. Killing any of them at any moment leaves
// either a whole entry or none. Thread-safe. Destroying it leaves the modules it gave usable.
class Cache {
 public:
  // kPermissionDenied if the directory, or one that leads to it, can be written or replaced by
  // somebody other than the caller's user and root: its content is native code. The message says
  // what to do. A directory that cannot be made (read-only or full filesystem, no permission) is no
  // error: the cache then keeps nothing, and every Found::warning says why.
  static Result<Cache> Open(CacheOptions options);

  // What the cache did for one module.
  struct Found {
    std::shared_ptr<const Module> module;
    Tier tier = Tier::kOptimized;  // Of the code in `module`.
    // kWaited: another process or thread compiled it meanwhile.
    enum class Source : uint8_t { kHit, kCompiled, kWaited } source = Source::kHit;
    std::chrono::nanoseconds compile_time{0};  // In this call, failed tries included.
    // One line for the operator, once: an entry was damaged and was compiled again, or the cache
    // could not be written and why. Empty if all is well.
    std::string warning;
  };
  enum class Policy : uint8_t {
    kOptimized,  // Optimized code, however long it takes.
    kFastest,    // Optimized code if it is there, else whatever runs soonest; see Found::tier.
  };

  // Finds or compiles. A cache that cannot be written is no error: the module is compiled for
  // this process only, and Found::warning says so. `wasm` may be text (.wat). It must not change
  // meanwhile: never a mapping of a file, which LoadFile is for.
  Result<Found> Load(const Engine& engine, Bytes wasm, Policy policy) const;

  // The same for a file, read from its start (a pipe: to its end). The bytes are held in memory
  // only if they are compiled; those of a big file that did not change since it was last seen are
  // not even read. kInvalidArgument for a directory and for a file that is too big.
  Result<Found> LoadFile(const Engine& engine, const os::Fd& wasm_file, Policy policy) const;

  // The hash of a regular file, from its start. A big one that did not change since it was last
  // seen is not even read. kInvalidArgument as of LoadFile.
  Result<ModuleHash> HashFile(const os::Fd& wasm_file) const;

  // What LoadFile finds without compiling or waiting; nothing if that is nothing usable. Starts no
  // thread.
  Result<std::optional<Found>> Find(const Engine& engine, const ModuleHash& module,
                                    Policy policy) const;

  // The entry that Find would load, verified and open, to be handed to another process of this
  // executable, which may open no file; not valid if there is none. There, LoadHanded loads it:
  // from nobody but a process of this one's own user that is trusted as much as this one itself,
  // for what is in it is native code. kDataLoss: it is none, or of another engine.
  Result<os::Fd> OpenToHand(const Engine& engine, const ModuleHash& module, Policy policy) const;
  static Result<std::shared_ptr<const Module>> LoadHanded(const Engine& engine, os::Fd entry);

  // Compiles the optimized code of a module into the cache unless it is there or another
  // process is at it, and drops the baseline code. True if this call did it. An Error if it could
  // not be compiled or kept.
  Result<bool> Optimize(const Engine& engine, Bytes wasm) const;

  // Is there an entry? Looks at its label only. Does not count as use.
  bool Contains(const Engine& engine, Bytes wasm, Tier tier) const;

  struct Entry {
    std::string module_hash;  // SHA-256 of the .wasm, hex.
    std::string
        fingerprint;  // Engine::Fingerprint of the one that made it; empty if it is damaged.
    Tier tier = Tier::kOptimized;
    bool is_component = false;
    uint64_t bytes = 0;
    std::chrono::system_clock::time_point created, last_used;  // The latter to the minute.
    std::string damage;  // What is wrong; empty if sound. List looks at labels only.
  };
  Result<std::vector<Entry>> List() const;    // Most recently used first.
  Result<std::vector<Entry>> Verify() const;  // Reads every entry whole; removes none.

  struct Pruned {
    uint64_t entries = 0, bytes = 0;
  };
  enum class PruneMode : uint8_t {
    kRemove,
    kCountOnly,  // Removes nothing and says what would be removed now.
  };
  // Removes least recently used entries until at most max_bytes remain, entries not used since
  // `older_than` (if given), damaged ones, and what killed processes left behind. Reads every entry
  // whole. Programs that run the code are not disturbed.
  Result<Pruned> Prune(uint64_t max_bytes,
                       std::optional<std::chrono::system_clock::time_point> older_than,
                       PruneMode mode = PruneMode::kRemove) const;

  const CacheOptions& options() const { return options_; }
  // Why nothing can be kept, as far as known from Open; empty if all is well.
  const std::string& problem() const { return problem_; }

 private:
  class Loader;  // src/wasm/cache/loader.h

  Cache(CacheOptions options, os::Fd directory, std::string problem);
  Result<std::vector<Entry>> ReadEntries(bool whole) const;

  CacheOptions options_;
  os::Fd directory_;  // O_PATH; not valid if nothing can be kept.
  std::string problem_;
};

}  // namespace wasmoor::wasm
