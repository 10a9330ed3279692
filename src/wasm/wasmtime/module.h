#pragma once

#include <atomic>
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

  // Whether somebody has seen that its entry point takes nothing and gives nothing back: every
  // instance's does then.
  bool is_command() const { return is_command_.load(std::memory_order_relaxed); }
  void MarkCommand() const { is_command_.store(true, std::memory_order_relaxed); }

 private:
  Result<wasmtime_instance_pre_t*> Linked() const;
  Result<InstancePreHandle> Link() const;

  const std::shared_ptr<Shared> shared_;
  wasm_engine_t* const engine_;  // Owned by shared_.
  const ModuleHandle module_;
  mutable std::mutex mutex_;  // Of making linked_.
  mutable InstancePreHandle linked_;
  mutable std::atomic<wasmtime_instance_pre_t*> ready_ = nullptr;  // It, once it is made.
  mutable std::atomic<bool> is_command_ = false;
};

}  // namespace wasmoor::wasm::wasmtime
