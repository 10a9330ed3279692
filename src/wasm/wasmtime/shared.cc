#include "wasm/wasmtime/shared.h"

namespace wasmoor::wasm::wasmtime {

Shared::Shared(EngineOptions options) : options_(std::move(options)) {
  if (many_guests()) ticker_ = std::make_unique<Ticker>(options_.tick);
  if (many_guests() && options_.tick_at_once) ticker_->Start();
}

Result<wasm_engine_t*> Shared::Runner(Tier tier, ModuleKind kind) {
  // Without a pool there is nothing to divide.
  const bool components = many_guests() && kind == ModuleKind::kComponent;
  const std::lock_guard lock(mutex_);
  EngineHandle& engine = runners_[static_cast<int>(tier)][components ? 1 : 0];
  if (engine == nullptr) {
    const Purpose purpose = !components       ? Purpose::kRunModules
                            : options_.serves ? Purpose::kServe
                                              : Purpose::kRunComponents;
    engine = TRY(NewEngine(options_, tier, purpose));
    if (ticker_ != nullptr) ticker_->AddEngine(engine.get());
  }
  return engine.get();
}

}  // namespace wasmoor::wasm::wasmtime
