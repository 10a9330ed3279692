#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "wasm/wasmtime/component.h"
#include "wasm/wasmtime/load.h"
#include "wasm/wasmtime/module.h"
#include "wasm/wasmtime/refusal.h"
#include "wasmoor/os/file.h"
#include "wasmoor/wasm/trusted_code.h"
#include "wasmoor/wasm/wasmtime.h"

namespace wasmoor::wasm::wasmtime {
namespace {

constexpr std::string_view kName = "wasmtime";

class WasmtimeEngine : public Engine {
 public:
  explicit WasmtimeEngine(const EngineOptions& options)
      : shared_(std::make_shared<Shared>(options)) {}

  std::string_view name() const override { return kName; }
  std::string_view version() const override { return WASMTIME_VERSION; }
  std::string Fingerprint(Tier tier) const override {
    return FingerprintOf(shared_->options(), tier);
  }
  Result<TrustedCode> Compile(Bytes wasm, Tier tier) const override;
  Result<std::shared_ptr<const Module>> Load(const TrustedCode& code) const override;

  // What runs optimized modules.
  Status Prepare() const {
    TRY(shared_->Runner(Tier::kOptimized, ModuleKind::kCore));
    return {};
  }

 private:
  const std::shared_ptr<Shared> shared_;
};

Result<std::vector<uint8_t>> Serialized(wasm_engine_t* engine, Bytes wasm, bool is_component) {
  ByteVector code;
  if (is_component) {
    wasmtime_component_t* raw = nullptr;
    TRY(ToStatus(wasmtime_component_new(engine, wasm.data(), wasm.size(), &raw),
                 Code::kInvalidArgument));
    const ComponentHandle component(raw);
    TRY(ToStatus(wasmtime_component_serialize(component.get(), code.get()), Code::kInternal));
  } else {
    wasmtime_module_t* raw = nullptr;
    TRY(ToStatus(wasmtime_module_new(engine, wasm.data(), wasm.size(), &raw),
                 Code::kInvalidArgument));
    const ModuleHandle module(raw);
    TRY(ToStatus(wasmtime_module_serialize(module.get(), code.get()), Code::kInternal));
  }
  return std::vector<uint8_t>(code.data(), code.data() + code.size());
}

// Is this valid with all features that guests may use? kInvalidArgument says why not.
Status Validate(const EngineOptions& options, Bytes wasm, bool is_component) {
  const EngineHandle engine = TRY(NewEngine(options, Tier::kOptimized, Purpose::kCompile));
  if (!is_component) {
    return ToStatus(wasmtime_module_validate(engine.get(), wasm.data(), wasm.size()),
                    Code::kInvalidArgument);
  }
  // The C API can validate a component only by compiling it.
  TRY(Serialized(engine.get(), wasm, is_component));
  return {};
}

Result<TrustedCode> CompileBinary(const EngineOptions& options, Bytes wasm, Tier tier) {
  const bool is_component = LooksLikeComponent(wasm);
  const EngineHandle compiler = TRY(NewEngine(options, tier, Purpose::kCompile));
  auto code = Serialized(compiler.get(), wasm, is_component);
  if (!code && tier == Tier::kBaseline) {
    // The one-pass compiler gives up on what it has no code for with the same kind of error as on
    // what is not valid.
    TRY(Validate(options, wasm, is_component));
    return tl::unexpected(Error(Code::kUnimplemented, code.error().message()));
  }
  if (!code) return tl::unexpected(std::move(code).error());
  return CompilerOutput::Trust(*std::move(code), {tier, is_component});
}

Result<TrustedCode> WasmtimeEngine::Compile(Bytes wasm, Tier tier) const {
  std::vector<uint8_t> from_text;
  if (!LooksLikeModule(wasm) && !LooksLikeComponent(wasm)) {
    from_text = TRY(WasmtimeBinaryFromText(wasm));
    wasm = from_text;
  }
  auto code = CompileBinary(shared_->options(), wasm, tier);
  if (!code && code.error().code() == Code::kInvalidArgument)
    return tl::unexpected(ExplainRefusal(std::move(code).error(), shared_->options().features));
  return code;
}

// For those who load it again, and only engines of many guests have such.
Result<ComponentCode> CodeOf(const TrustedCode& code) {
  ComponentCode kept;
  kept.tier = code.info().tier;
  if (code.in_file()) {
    kept.file = os::Fd(::fcntl(code.file().get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!kept.file.valid()) return FailErrno(errno, "a component's code");
  } else {
    kept.bytes.assign(code.bytes().begin(), code.bytes().end());
  }
  return kept;
}

Result<ModuleHandle> LoadModule(wasm_engine_t* engine, const TrustedCode& code) {
  wasmtime_module_t* module = nullptr;
  TRY(ToStatus(code.in_file() ? wasmoor_module_deserialize_fd(engine, code.file().get(), &module)
                              : wasmtime_module_deserialize(engine, code.bytes().data(),
                                                            code.bytes().size(), &module),
               Code::kDataLoss));
  return ModuleHandle(module);
}

Result<std::shared_ptr<const Module>> WasmtimeEngine::Load(const TrustedCode& code) const {
  const ModuleKind kind = code.info().is_component ? ModuleKind::kComponent : ModuleKind::kCore;
  wasm_engine_t* engine = TRY(shared_->Runner(code.info().tier, kind));
  if (kind == ModuleKind::kComponent) {
    ComponentCode kept = TRY(CodeOf(code));
    auto component = LoadComponent(engine, kept);
    if (!component) return tl::unexpected(ExplainLoadFailure(std::move(component).error()));
    // The first instance would, on a thread whose descriptors may be its own.
    TRY(ToStatus(wasmoor_component_open_images(component->get()), Code::kInternal));
    if (!shared_->many_guests()) kept = {};
    return std::make_shared<ComponentModule>(shared_, engine, *std::move(component),
                                             std::move(kept));
  }
  auto module = LoadModule(engine, code);
  if (!module) return tl::unexpected(ExplainLoadFailure(std::move(module).error()));
  return std::make_shared<CoreModule>(shared_, engine, *std::move(module));
}

Result<std::unique_ptr<Engine>> Create(const EngineOptions& options) {
  auto engine = std::make_unique<WasmtimeEngine>(options);
  // Its pool is made now, and not when the first request waits for it.
  if (options.serves) TRY(engine->Prepare());
  return engine;
}

}  // namespace

// From the file that is open: what was verified is what is mapped. Without a /proc that leads to
// it, its bytes are.
Result<ComponentHandle> LoadComponent(wasm_engine_t* engine, const ComponentCode& code) {
  wasmtime_component_t* component = nullptr;
  const std::string path = fmt::format("/proc/self/fd/{}", code.file.get());
  if (code.file.valid() && ::access(path.c_str(), F_OK) == 0) {
    TRY(ToStatus(wasmtime_component_deserialize_file(engine, path.c_str(), &component),
                 Code::kDataLoss));
    return ComponentHandle(component);
  }
  std::vector<uint8_t> read;
  if (code.file.valid()) {
    const struct stat status = TRY(os::Stat(code.file));
    read.resize(status.st_size);
    read.resize(TRY(os::ReadAt(code.file, read, 0)));
  }
  const std::span<const uint8_t> bytes = code.file.valid() ? read : code.bytes;
  TRY(ToStatus(wasmtime_component_deserialize(engine, bytes.data(), bytes.size(), &component),
               Code::kDataLoss));
  return ComponentHandle(component);
}

}  // namespace wasmoor::wasm::wasmtime

namespace wasmoor::wasm {

EngineFactory WasmtimeFactory() { return {wasmtime::kName, WASMTIME_VERSION, wasmtime::Create}; }

}  // namespace wasmoor::wasm
