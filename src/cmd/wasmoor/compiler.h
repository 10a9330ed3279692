#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "cmd/line/command.h"
#include "cmd/wasmoor/run_options.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/cache.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::cmd {

wasm::Cache::Policy PolicyOf(std::string_view tier);  // Of --tier.

// The engine and the cache that the flags of a command ask for.
class Compiler {
 public:
  using Clock = std::chrono::steady_clock;

  // Features of `options` are set from the flags. A cache that cannot be opened is a warning on
  // standard error and then none, except one that was named.
  static Result<Compiler> Create(const EngineFlags& flags, wasm::EngineOptions options);

  const wasm::Engine& engine() const { return *engine_; }
  const wasm::Cache* cache() const { return cache_ ? &*cache_ : nullptr; }

  // Warnings of the cache go to standard error.
  Result<wasm::Cache::Found> Load(const program::Source& source, wasm::Cache::Policy policy) const;

  // Starts another wasmoor that compiles the optimized code into the cache, and does not wait.
  void OptimizeInBackground(const program::Source& source) const;

 private:
  Compiler(const EngineFlags& flags, std::unique_ptr<wasm::Engine> engine,
           std::optional<wasm::Cache> cache)
      : flags_(flags), engine_(std::move(engine)), cache_(std::move(cache)) {}

  const EngineFlags& flags_;
  std::unique_ptr<wasm::Engine> engine_;
  std::optional<wasm::Cache> cache_;
};

// The cache that the flags name. kNotFound if there is no place for one.
Result<wasm::Cache> OpenCache(const EngineFlags& flags);

}  // namespace wasmoor::cmd
