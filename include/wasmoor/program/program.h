#pragma once

#include <memory>
#include <optional>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasi/context.h"
#include "wasmoor/wasm/cache.h"
#include "wasmoor/wasm/engine.h"

// From a file to a finished guest: the steps that every front-end takes, in their order.
namespace wasmoor::program {

// What guests may import: WASI 0.1, and what the embedder adds to `table` before an engine is made
// with it.
struct Host {
  std::shared_ptr<hostcall::Table> table;
  hostcall::Slot<wasi::Context> wasi;
};
Host NewHost();

struct LoadOptions {
  const wasm::Cache* cache = nullptr;  // Null: nothing is kept.
  wasm::Cache::Policy policy = wasm::Cache::Policy::kFastest;
};

// The module of `source`, from the cache or compiled. Errors name the source.
Result<wasm::Cache::Found> Load(const wasm::Engine& engine, const Source& source,
                                const LoadOptions& options);

// Grants this process's standard streams. A core module gets descriptors of its own, because it may
// close them, and other files of its then take their numbers: ours stay ours, for messages. A
// component closes none, and its engine tells only our very own for terminals.
Status GrantStreams(wasm::ModuleKind kind, wasi::Grants* grants);

// A guest that has its grants and may be run once. Instance's rules on threads hold.
class Guest {
 public:
  struct Options {
    wasm::Limits limits;
    hostcall::Bindings bindings;              // Of the embedder's own functions; WASI is added.
    wasm::MemoryPool* memory_pool = nullptr;  // wasm::InstanceOptions::memory_pool.
    wasm::TickHandler* on_tick = nullptr;     // wasm::InstanceOptions::on_tick.
  };
  // `host` is the one that the module's engine was made with. Standard streams that are descriptors
  // 0 to 2 themselves are closed with the guest of a core module, and stay open after a component.
  static Result<std::unique_ptr<Guest>> Create(const wasm::Module& module, const Host& host,
                                               wasi::Grants grants, Options options);

  Result<wasm::Exit> Run(const wasm::Invocation& invocation) { return instance_->Run(invocation); }
  void Stop(int signal) { instance_->Stop(signal); }                   // Any thread.
  void LimitMemory(uint64_t bytes) { instance_->LimitMemory(bytes); }  // Any thread.
  wasm::Usage usage() const { return instance_->usage(); }

 private:
  Guest(std::unique_ptr<wasi::Context> context, std::unique_ptr<wasm::Instance> instance)
      : context_(std::move(context)), instance_(std::move(instance)) {}
  std::unique_ptr<wasi::Context> context_;    // Of a core module.
  std::unique_ptr<wasm::Instance> instance_;  // After the context that it is bound to.
};

}  // namespace wasmoor::program
