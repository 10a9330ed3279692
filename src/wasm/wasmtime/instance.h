#pragma once

#include <memory>

#include "wasm/wasmtime/guest.h"

namespace wasmoor::wasm::wasmtime {

class CoreModule;

// An instance of a core module. It is instantiated by the first Run, so that the deadline and Stop
// hold for its start function too.
class CoreInstance : public Instance {
 public:
  // `module` is kept alive, and `linked` and `engine` with it.
  CoreInstance(std::shared_ptr<const CoreModule> module, std::shared_ptr<Shared> shared,
               wasm_engine_t* engine, const wasmtime_instance_pre_t* linked,
               InstanceOptions options);

  Result<Exit> Run(const Invocation& invocation) override;
  void Stop(int signal) override;
  void LimitMemory(uint64_t bytes) override { guest_.LimitMemory(bytes); }
  Usage usage() const override { return guest_.usage(); }

 private:
  // Within Guest::Run. `refusal` is why there could be no instance, if that is not the guest's
  // doing.
  Guest::Ended InstantiateNow(std::string* refusal);
  // How the start function ended the guest; nothing if the guest may go on.
  Result<std::optional<Exit>> Instantiate(std::optional<Clock::time_point> deadline);
  // The same for `_initialize` of a reactor, which is called once.
  Result<std::optional<Exit>> Initialize(const Invocation& invocation);
  Result<Exit> Call(const wasmtime_func_t& function, std::span<const wasmtime_val_t> arguments,
                    std::span<wasmtime_val_t> results, std::optional<Clock::time_point> deadline);
  Result<wasmtime_func_t> FindFunction(std::string_view name);
  Result<wasmtime_func_t> FindFunction(std::string_view name, const hostcall::Signature& signature);
  Result<wasmtime_func_t> FindEntryPoint();
  Result<Exit> RunEntryPoint(const Invocation& invocation);
  Result<Exit> RunExport(const Invocation& invocation);
  Result<Exit> RunBindgen(const Invocation& invocation);

  const std::shared_ptr<const CoreModule> module_;
  const wasmtime_instance_pre_t* const linked_;
  Guest guest_;
  wasmtime_instance_t instance_ = {};
  bool instantiated_ = false;
  bool initialized_ = false;
};

}  // namespace wasmoor::wasm::wasmtime
