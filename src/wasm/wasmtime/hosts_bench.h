#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support.h"
#include "wasm/wasmtime/config.h"
#include "wasm/wasmtime/handles.h"
#include "wasmoor/wasi/context.h"
#include "wasmoor/wasm/engine.h"
#include "wasmoor/wasm/trusted_code.h"
#include "wasmoor/wasm/wasmtime.h"

// One guest program under two hosts that differ in their WASI and in nothing else: the same engine
// with the same options, a fresh instance per run, from store to exit.
namespace wasmoor::wasm::wasmtime::bench {

using wasmoor::bench::Die;
using wasmoor::bench::Must;

// What a guest is given beside a standard output that swallows.
struct Grant {
  std::vector<std::string> arguments;
  std::string directory;  // On the host; the guest sees it as kDirectory. Empty: none.
};
constexpr const char* kDirectory = "/data";

inline const os::Fd& Null() {
  static const os::Fd null = wasmoor::bench::Open("/dev/null", O_RDWR);
  return null;
}

// WASI of ours, through the interface that every host has. Thread-safe.
class OurHost {
 public:
  OurHost(const std::string& guest, Sharing sharing) {
    auto table = std::make_shared<hostcall::Table>();
    slot_ = table->Add<wasi::Context>(wasi::Preview1());
    EngineOptions options;
    options.sharing = sharing;
    options.host = table;
    engine_ = Must(WasmtimeFactory().create(options));
    module_ = Must(
        engine_->Load(Must(engine_->Compile(wasmoor::bench::ReadGuest(guest), Tier::kOptimized))));
  }

  void Run(const Grant& grant) const {
    wasi::Grants grants;
    grants.arguments = grant.arguments;
    grants.standard_output = wasmoor::bench::Duplicate(Null());
    if (!grant.directory.empty()) {
      grants.preopens.push_back({grant.directory, kDirectory, wasi::Access::kReadWrite,
                                 wasmoor::bench::Open(grant.directory, O_PATH | O_DIRECTORY)});
    }
    const auto context = Must(wasi::Context::Create(std::move(grants)));
    InstanceOptions options;
    options.bindings.Bind(slot_, *context);
    const auto instance = Must(module_->NewInstance(std::move(options)));
    const Exit exit = Must(instance->Run({}));
    if (!exit.ok()) Die("the guest failed under our WASI: " + exit.trap.message);
  }

 private:
  hostcall::Slot<wasi::Context> slot_;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const Module> module_;
};

inline void Check(wasmtime_error_t* error) {
  if (error != nullptr) Die(ErrorText(*ErrorHandle(error)));
}

// How the engine's own WASI hands a guest's output on: to a descriptor, which takes our addition to
// its C API (extra.h), or through a callback, which is all that the C API itself has for a stream
// that is neither the process's own nor a file with a name.
enum class Output { kDescriptor, kCallback };

// The engine's own WASI, through its C API. Thread-safe.
class EngineHost {
 public:
  EngineHost(const std::string& guest, Sharing sharing, Output output = Output::kDescriptor)
      : output_(output) {
    EngineOptions options;
    options.sharing = sharing;
    Compile(wasmoor::bench::ReadGuest(guest), options);
    engine_ = Must(NewEngine(options, Tier::kOptimized, Purpose::kRunModules));
    wasmtime_module_t* module = nullptr;
    Check(wasmtime_module_deserialize(engine_.get(), code_.data(), code_.size(), &module));
    module_.reset(module);
    const LinkerHandle linker(wasmtime_linker_new(engine_.get()));
    Check(wasmtime_linker_define_wasi(linker.get()));
    wasmtime_instance_pre_t* linked = nullptr;
    Check(wasmtime_linker_instantiate_pre(linker.get(), module_.get(), &linked));
    linked_.reset(linked);
  }

  void Run(const Grant& grant) const {
    const StoreHandle store(wasmtime_store_new(engine_.get(), nullptr, nullptr));
    wasmtime_context_t* context = wasmtime_store_context(store.get());
    wasmtime_context_set_epoch_deadline(context, 1);
    Check(wasmtime_context_set_wasi(context, Config(grant)));
    wasmtime_instance_t instance;
    wasm_trap_t* trap = nullptr;
    Check(wasmtime_instance_pre_instantiate(linked_.get(), context, &instance, &trap));
    constexpr std::string_view kStart = "_start";
    wasmtime_extern_t start;
    if (trap != nullptr ||
        !wasmtime_instance_export_get(context, &instance, kStart.data(), kStart.size(), &start)) {
      Die("the guest cannot start under the engine's WASI");
    }
    const ErrorHandle error(
        wasmtime_func_call(context, &start.of.func, nullptr, 0, nullptr, 0, &trap));
    int status = 0;
    const bool exited =
        error == nullptr || (wasmtime_error_exit_status(error.get(), &status) && status == 0);
    if (trap != nullptr || !exited) Die("the guest failed under the engine's WASI");
  }

 private:
  void Compile(const std::vector<uint8_t>& wasm, const EngineOptions& options) {
    const EngineHandle compiler = Must(NewEngine(options, Tier::kOptimized, Purpose::kCompile));
    wasmtime_module_t* module = nullptr;
    Check(wasmtime_module_new(compiler.get(), wasm.data(), wasm.size(), &module));
    const ModuleHandle compiled(module);
    Check(wasmtime_module_serialize(compiled.get(), code_.get()));
  }

  wasi_config_t* Config(const Grant& grant) const {
    wasi_config_t* config = wasi_config_new();
    std::vector<const char*> arguments;
    for (const std::string& argument : grant.arguments) arguments.push_back(argument.c_str());
    wasi_config_set_argv(config, arguments.size(), arguments.data());
    if (output_ == Output::kDescriptor)
      wasmoor_wasi_config_stdio(config, -1, Null().get(), -1);
    else
      wasi_config_set_stdout_custom(config, WriteToNull, nullptr, nullptr);
    if (!grant.directory.empty() &&
        !wasi_config_preopen_dir(config, grant.directory.c_str(), kDirectory, true)) {
      Die("the engine's WASI cannot open " + grant.directory);
    }
    return config;
  }

  static ptrdiff_t WriteToNull(void*, const unsigned char* bytes, size_t size) {
    return write(Null().get(), bytes, size);
  }

  const Output output_;
  ByteVector code_;
  EngineHandle engine_;
  ModuleHandle module_;
  InstancePreHandle linked_;
};

}  // namespace wasmoor::wasm::wasmtime::bench
