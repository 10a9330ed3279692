#pragma once

#include <memory>
#include <mutex>

#include "wasm/wasmtime/guest.h"
#include "wasm/wasmtime/shared.h"

namespace wasmoor::wasm::wasmtime {

// A core module. Its imports are resolved when the first instance is made.
class CoreModule : public Module, public std::enable_shared_from_this<CoreModule> {
 public:
  CoreModule(std::shared_ptr<Shared> shared, wasm_engine_t* engine, ModuleHandle module)
      : shared_(std::move(shared)), engine_(engine), module_(std::move(module)) {}

  ModuleKind kind() const override { return ModuleKind::kCore; }
  std::vector<Extern> Imports() const override;
  std::vector<Extern> Exports() const override;
  Result<std::unique_ptr<Instance>> NewInstance(InstanceOptions options) const override;

 private:
  Result<wasmtime_instance_pre_t*> Linked() const;
  Result<InstancePreHandle> Link() const;

  const std::shared_ptr<Shared> shared_;
  wasm_engine_t* const engine_;  // Owned by shared_.
  const ModuleHandle module_;
  mutable std::mutex mutex_;
  mutable InstancePreHandle linked_;
};

}  // namespace wasmoor::wasm::wasmtime
