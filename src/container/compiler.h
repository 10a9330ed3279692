#pragma once

#include <memory>
#include <optional>
#include <string>

#include "container/descriptors.h"
#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/os/output.h"
#include "wasmoor/os/pending.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::container {

// The module of `source`: from the first cache of the options that can keep something, if it is
// there; else compiled into it by another process, which is waited for. So this process never
// compiles, which would give it threads, and code is loaded from a verified cache only. After
// baseline code, which a large module runs on at first, another process makes the optimized code in
// the background, for the next start. What the engine keeps open for it is noted in `descriptors`.
// All that is given is borrowed.
//
// kFailedPrecondition: nothing can be kept anywhere; each reason is named.
class ModuleLoading : public os::Pending<wasm::Cache::Found> {
 public:
  // `sharing` is the engine's.
  ModuleLoading(const WasmOptions& options, const wasm::Engine& engine, wasm::Sharing sharing,
                const program::Source& source, EngineDescriptors* descriptors)
      : options_(options),
        engine_(engine),
        sharing_(sharing),
        source_(source),
        descriptors_(descriptors) {}

  const os::Fd& waits_for() const override { return compiler_->waits_for(); }
  Result<std::optional<wasm::Cache::Found>> Advance() override;

 private:
  using Found = wasm::Cache::Found;

  Result<std::optional<Found>> Find();  // In the cache that is open.
  Result<std::optional<Found>> Begin();
  Result<std::optional<Found>> End(const os::Output& output);
  void GiveUp(const Error& why);  // The cache that is open.

  const WasmOptions& options_;
  const wasm::Engine& engine_;
  const wasm::Sharing sharing_;
  const program::Source& source_;
  EngineDescriptors* const descriptors_;
  size_t tried_ = 0;  // Of the options' caches.
  std::optional<wasm::Cache> cache_;
  std::unique_ptr<os::Pending<os::Output>> compiler_;
  std::string reasons_;
};

}  // namespace wasmoor::container
