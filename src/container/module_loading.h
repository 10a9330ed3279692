#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "container/loaded_module.h"
#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/os/output.h"
#include "wasmoor/os/pending.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::container {

// The module of `source`: one that is kept, or from the first cache of the options that can keep
// something, if it is there; else compiled into it by another process, which is waited for. So this
// process never compiles, which would give it threads, and code is loaded from a verified cache
// only. After baseline code, which a large module runs on at first, another process makes the
// optimized code in the background, for the next start. All that is given is borrowed.
//
// kFailedPrecondition: nothing can be kept anywhere, and each reason is named; or it imports what
// nobody provides. kUnimplemented: a shared engine cannot run it.
class ModuleLoading : public os::Pending<std::shared_ptr<const LoadedModule>> {
 public:
  enum class Use : uint8_t {
    kProgram,  // For what it is: one that serves HTTP is loaded to be served.
    kLibrary,  // For one of its exports.
  };
  ModuleLoading(const WasmOptions& options, const program::Source& source, Use use)
      : options_(options),
        source_(source),
        use_(use),
        sharing_(options.shared ? wasm::Sharing::kManyGuests : wasm::Sharing::kOneGuest) {}

  const os::Fd& waits_for() const override { return compiler_->waits_for(); }
  Result<std::optional<std::shared_ptr<const LoadedModule>>> Advance() override;

 private:
  using Loaded = std::shared_ptr<const LoadedModule>;

  struct Attempt {
    LoadedModule loaded;  // All but the module.
    std::shared_ptr<wasm::Engine> engine;
  };

  Status MakeEngine();
  Result<std::optional<Loaded>> Find();  // What is kept, or in the cache that is open.
  Result<Loaded> Finish(wasm::Cache::Found found);
  Result<std::optional<Loaded>> FindOrCompile();
  Result<std::optional<Loaded>> Begin();
  Result<std::optional<Loaded>> End(const os::Output& output);
  void GiveUp(const Error& why);  // The cache that is open.

  const WasmOptions& options_;
  const program::Source& source_;
  const Use use_;
  wasm::Sharing sharing_;
  wasm::Sharing compiled_for_ = wasm::Sharing::kOneGuest;  // By the last compiler.
  std::optional<Attempt> attempt_;
  size_t tried_ = 0;  // Of the options' caches.
  std::optional<wasm::Cache> cache_;
  std::unique_ptr<os::Pending<os::Output>> compiler_;
  std::string reasons_;
};

}  // namespace wasmoor::container
