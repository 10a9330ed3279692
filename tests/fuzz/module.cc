#include <chrono>
#include <memory>
#include <utility>

#include "fuzz/input.h"
#include "wasmoor/base/check.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/trusted_code.h"
#include "wasmoor/wasm/wasmtime.h"

extern "C" size_t __attribute__((weak)) LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace wasmoor::fuzz {
namespace {

using std::chrono::milliseconds;

// Everything on, and little of everything else.
wasm::EngineOptions SmallOptions(const program::Host& host) {
  wasm::EngineOptions options;
  options.sharing = wasm::Sharing::kManyGuests;
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures())
    options.features.*feature.member = true;
  options.features.stack_switching = false;  // The engine has it on x86-64 only.
  options.pool.instances = 4;
  options.pool.memory_bytes = 4 << 20;
  options.pool.memories_per_module = 2;
  options.pool.table_elements = 1000;
  options.stack_bytes = 256 << 10;
  options.tick = milliseconds(1);
  options.parallel_compile = false;
  options.host = host.table;
  return options;
}

struct Engine {
  Engine() : host(program::NewHost()) {
    auto made = wasm::WasmtimeFactory().create(SmallOptions(host));
    CHECK(made);
    engine = *std::move(made);
  }
  program::Host host;
  std::unique_ptr<wasm::Engine> engine;
};

const Engine& TheEngine() {
  static const Engine engine;
  return engine;
}

void CheckExit(const wasm::Exit& exit) {
  if (exit.kind != wasm::Exit::Kind::kTrapped) return;
  CHECK(!exit.trap.message.empty());
  for (const wasm::Frame& frame : exit.trap.frames) CHECK(!frame.function.empty());
}

void Run(const wasm::Module& module, const std::string& function) {
  auto guest = program::Guest::Create(module, TheEngine().host, {},
                                      {.limits = {.memory_bytes = 2 << 20, .table_elements = 500}});
  if (!guest) {
    CHECK(!guest.error().message().empty());
    return;
  }
  const auto exit =
      (*guest)->Run({.function = function, .deadline = wasm::Clock::now() + milliseconds(5)});
  CHECK(exit || !exit.error().message().empty());
  if (exit) CheckExit(*exit);
  CHECK((*guest)->usage().memory_bytes <= 2 << 20);
  CHECK((*guest)->usage().table_elements <= 500);
}

void TryTier(Bytes input, wasm::Tier tier) {
  const auto code = TheEngine().engine->Compile(input, tier);
  if (!code) {
    CHECK(code.error().code() == Code::kInvalidArgument ||
          code.error().code() == Code::kUnimplemented);
    CHECK(!code.error().message().empty());
    return;
  }
  const auto module = TheEngine().engine->Load(*code);
  if (!module) {
    CHECK(module.error().code() == Code::kResourceExhausted ||
          module.error().code() == Code::kUnimplemented);
    return;
  }
  static_cast<void>((*module)->Imports());
  Run(**module, "");
  for (const wasm::Extern& item : (*module)->Exports()) {
    if (item.kind != wasm::ExternKind::kFunction) continue;
    const bool component = (*module)->kind() == wasm::ModuleKind::kComponent;
    Run(**module, component ? item.name + "()" : item.name);
  }
}

}  // namespace

void Module(Bytes input) {
  const bool baseline = !input.empty() && input.back() % 2 == 1;
  TryTier(input, baseline ? wasm::Tier::kBaseline : wasm::Tier::kOptimized);
}

size_t MutateModule(uint8_t* data, size_t size, size_t most, unsigned seed) {
  if (LLVMFuzzerMutate == nullptr) return size;
  if (seed % 4 == 0 && !wasm::LooksLikeModule({data, size}) &&
      !wasm::LooksLikeComponent({data, size})) {
    const auto binary = wasm::WasmtimeBinaryFromText({data, size});
    if (binary && binary->size() <= most) {
      std::copy(binary->begin(), binary->end(), data);
      size = binary->size();
    }
  }
  return LLVMFuzzerMutate(data, size, most);
}

}  // namespace wasmoor::fuzz
