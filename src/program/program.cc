#include "wasmoor/program/program.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "wasmoor/wasm/trusted_code.h"

namespace wasmoor::program {
namespace {

Result<wasm::Cache::Found> LoadUncached(const wasm::Engine& engine, const Source& source,
                                        wasm::Cache::Policy policy) {
  const std::vector<uint8_t> bytes = TRY(ReadSource(source));
  const auto started = std::chrono::steady_clock::now();
  wasm::Cache::Found found;
  found.source = wasm::Cache::Found::Source::kCompiled;
  found.tier =
      policy == wasm::Cache::Policy::kFastest ? wasm::Tier::kBaseline : wasm::Tier::kOptimized;
  auto code = engine.Compile(bytes, found.tier);
  if (!code && code.error().code() == Code::kUnimplemented) {
    found.tier = wasm::Tier::kOptimized;
    code = engine.Compile(bytes, found.tier);
  }
  found.module = TRY_AS(engine.Load(TRY_AS(std::move(code), "{}", source.name)), "{}", source.name);
  found.compile_time = std::chrono::steady_clock::now() - started;
  return found;
}

// A component's WASI is the engine's own, which takes descriptors of its own for what is granted.
// Only this process's standard streams it uses as they are, and so they stay open.
Result<std::unique_ptr<wasm::Instance>> NewComponent(const wasm::Module& module,
                                                     wasi::Grants& grants, Guest::Options options) {
  auto made = module.NewInstance({.limits = options.limits,
                                  .memory_pool = options.memory_pool,
                                  .on_tick = options.on_tick,
                                  .bindings = std::move(options.bindings),
                                  .grants = &grants});
  for (os::Fd* stream : {&grants.standard_input, &grants.standard_output, &grants.standard_error}) {
    if (stream->get() <= STDERR_FILENO) static_cast<void>(stream->Release());
  }
  return made;
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
  if (options.cache == nullptr) return LoadUncached(engine, source, options.policy);
  return TRY_AS(options.cache->LoadFile(engine, source.file, options.policy), "{}", source.name);
}

Status GrantStreams(wasm::ModuleKind kind, wasi::Grants* grants) {
  const auto stream = [kind](int own) {
    constexpr int kAfterStreams = STDERR_FILENO + 1;
    return os::Fd(
        kind == wasm::ModuleKind::kComponent ? own : ::fcntl(own, F_DUPFD_CLOEXEC, kAfterStreams));
  };
  grants->standard_input = stream(STDIN_FILENO);
  grants->standard_output = stream(STDOUT_FILENO);
  grants->standard_error = stream(STDERR_FILENO);
  if (!grants->standard_error.valid()) return FailErrno(errno, "standard streams");
  return {};
}

Result<std::unique_ptr<Guest>> Guest::Create(const wasm::Module& module, const Host& host,
                                             wasi::Grants grants, Options options) {
  if (module.kind() == wasm::ModuleKind::kComponent) {
    auto made = NewComponent(module, grants, std::move(options));
    if (!made) return tl::unexpected(std::move(made).error());
    return std::unique_ptr<Guest>(new Guest(nullptr, *std::move(made)));
  }
  std::unique_ptr<wasi::Context> context = TRY(wasi::Context::Create(std::move(grants)));
  wasm::InstanceOptions instance;
  instance.limits = options.limits;
  instance.on_tick = options.on_tick;
  instance.memory_pool = options.memory_pool;
  instance.bindings = std::move(options.bindings);
  instance.bindings.Bind(host.wasi, *context);
  std::unique_ptr<wasm::Instance> made = TRY(module.NewInstance(std::move(instance)));
  return std::unique_ptr<Guest>(new Guest(std::move(context), std::move(made)));
}

}  // namespace wasmoor::program
