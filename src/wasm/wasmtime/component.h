#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "wasm/wasmtime/guest.h"
#include "wasm/wasmtime/shared.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm::wasmtime {

// What a component was loaded from, kept for those who load it again: a handler of HTTP has an
// engine of its own.
struct ComponentCode {
  Tier tier = Tier::kOptimized;
  os::Fd file;                 // Of kManyGuests, if the code came in one.
  std::vector<uint8_t> bytes;  // If not.
};

// A component. Its WASI 0.2 is the engine's own; of our grants it gets arguments, environment,
// preopened directories and standard streams, and no network.
class ComponentModule : public Module, public std::enable_shared_from_this<ComponentModule> {
 public:
  ComponentModule(std::shared_ptr<Shared> shared, wasm_engine_t* engine, ComponentHandle component,
                  ComponentCode code);

  ModuleKind kind() const override { return ModuleKind::kComponent; }
  std::vector<Extern> Imports() const override;
  std::vector<Extern> Exports() const override;
  Result<std::unique_ptr<Instance>> NewInstance(InstanceOptions options) const override;
  Result<std::unique_ptr<HttpHandler>> NewHttpHandler(const HttpOptions& options) const override;

  const wasmtime_component_t* get() const { return component_.get(); }

 private:
  Result<LinkedHandle> Link() const;
  // Linked when it is first asked for.
  Result<const wasmoor_linked_t*> Linked() const;

  const std::shared_ptr<Shared> shared_;
  wasm_engine_t* const engine_;  // Owned by shared_.
  const ComponentCode code_;
  const ComponentHandle component_;
  const ComponentTypeHandle type_;
  mutable std::mutex mutex_;
  mutable LinkedHandle linked_;
};

// An instance of a component.
class ComponentInstance : public Instance {
 public:
  ComponentInstance(std::shared_ptr<const ComponentModule> module, std::shared_ptr<Shared> shared,
                    wasm_engine_t* engine, const wasmoor_linked_t* linked, InstanceOptions options);

  // Hands the grants to the engine's WASI; call at most once, before Run.
  Status Grant(const wasi::Grants& grants);

  Result<Exit> Run(const Invocation& invocation) override;
  void Stop(int signal) override;
  void LimitMemory(uint64_t bytes) override { guest_.LimitMemory(bytes); }
  Usage usage() const override { return guest_.usage(); }

 private:
  // How instantiating ended the guest; nothing if it may go on.
  Result<std::optional<Exit>> Instantiate(std::optional<Clock::time_point> deadline);
  Result<Exit> RunCommand(const Invocation& invocation);
  Result<Exit> RunExport(const Invocation& invocation);
  Status GrantStreams(const wasi::Grants& grants, wasi_config_t* config);
  Result<wasmtime_component_func_t> FindCommand();
  Status CheckCommand(const wasmtime_component_func_t& function);

  const std::shared_ptr<const ComponentModule> module_;
  const wasmoor_linked_t* const linked_;
  Guest guest_;
  wasmtime_component_instance_t instance_ = {};
  bool granted_ = false, instantiated_ = false;
};

}  // namespace wasmoor::wasm::wasmtime
