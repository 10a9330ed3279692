#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "container/module_loading.h"
#include "host/common.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/loop/pump.h"

namespace wasmoor::host {

// Loads modules into the process, each once however many guests wait for it. On the one thread from
// whose descriptor table all guests' are copied, since the engine keeps files of them open.
class Loading {
 public:
  using Loaded = ModuleTable::Loaded;
  using Done = std::function<void(Result<Loaded>)>;

  Loading(loop::Loop& loop, const Common& common, container::WasmOptions options)
      : loop_(loop), common_(common), options_(std::move(options)) {}

  // `done` may be called before this returns.
  void Load(const wasm::ModuleHash& hash, program::Source source, Done done);

 private:
  struct UnderWay {
    explicit UnderWay(loop::Loop& loop) : pump(loop) {}
    program::Source source;
    std::vector<Done> waiting;
    loop::Pump<Loaded> pump;
  };
  void Finish(const wasm::ModuleHash& hash, Result<Loaded> loaded);

  loop::Loop& loop_;
  const Common& common_;
  const container::WasmOptions options_;
  std::map<wasm::ModuleHash, std::unique_ptr<UnderWay>> loads_;
};

}  // namespace wasmoor::host
