#pragma once

#include <memory>
#include <mutex>

#include "wasm/wasmtime/config.h"
#include "wasm/wasmtime/handles.h"
#include "wasm/wasmtime/ticker.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm::wasmtime {

// What an engine and its modules share, alive as long as any of them: the options, wasmtime's own
// engine objects (one per tier and kind of module, each made when it is first needed) and the
// ticker. Thread-safe.
class Shared {
 public:
  explicit Shared(EngineOptions options);

  const EngineOptions& options() const { return options_; }
  bool many_guests() const { return options_.sharing == Sharing::kManyGuests; }
  Ticker* ticker() const { return ticker_.get(); }  // Null unless many_guests().

  // The engine that runs code of `tier`; owned by this.
  Result<wasm_engine_t*> Runner(Tier tier, ModuleKind kind);

 private:
  const EngineOptions options_;
  std::mutex mutex_;
  EngineHandle runners_[2][2];      // By tier and purpose.
  std::unique_ptr<Ticker> ticker_;  // After the engines that it ticks: it ends before them.
};

}  // namespace wasmoor::wasm::wasmtime
