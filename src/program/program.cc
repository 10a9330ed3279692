#include "wasmoor/program/program.h"

#include "wasmoor/os/file.h"
#include "wasmoor/wasm/trusted_code.h"

namespace wasmoor::program {
namespace {

constexpr uint64_t kMaxModuleBytes = uint64_t{1} << 30;

Result<wasm::Cache::Found> LoadUncached(const wasm::Engine& engine, const Source& source,
                                        wasm::Cache::Policy policy) {
  const std::vector<uint8_t> bytes = TRY(os::ReadAll(source.file, kMaxModuleBytes));
  const auto started = std::chrono::steady_clock::now();
  wasm::Cache::Found found;
  found.source = wasm::Cache::Found::Source::kCompiled;
  found.tier = policy == wasm::Cache::Policy::kFastest ? wasm::Tier::kBaseline
                                                       : wasm::Tier::kOptimized;
  auto code = engine.Compile(bytes, found.tier);
  if (!code && found.tier == wasm::Tier::kBaseline) {
    found.tier = wasm::Tier::kOptimized;
    code = engine.Compile(bytes, found.tier);
  }
  if (!code) return tl::unexpected(std::move(code).error());
  found.module = TRY(engine.Load(*code));
  found.compile_time = std::chrono::steady_clock::now() - started;
  return found;
}

}  // namespace

Host NewHost() {
  Host host;
  host.table = std::make_shared<hostcall::Table>();
  host.wasi = host.table->Add<wasi::Context>(wasi::Preview1());
  return host;
}

Result<wasm::Cache::Found> Load(const wasm::Engine& engine, const Source& source,
                                const LoadOptions& options) {
  if (options.cache == nullptr)
    return TRY_AS(LoadUncached(engine, source, options.policy), "{}", source.name);
  return TRY_AS(options.cache->LoadFile(engine, source.file, options.policy), "{}", source.name);
}

Result<std::unique_ptr<Guest>> Guest::Create(const wasm::Module& module, const Host& host,
                                             wasi::Grants grants, Options options) {
  std::unique_ptr<wasi::Context> context = TRY(wasi::Context::Create(std::move(grants)));
  wasm::InstanceOptions instance;
  instance.limits = options.limits;
  instance.bindings = std::move(options.bindings);
  instance.bindings.Bind(host.wasi, *context);
  instance.grants = &context->grants();
  std::unique_ptr<wasm::Instance> made = TRY(module.NewInstance(std::move(instance)));
  return std::unique_ptr<Guest>(new Guest(std::move(context), std::move(made)));
}

}  // namespace wasmoor::program
