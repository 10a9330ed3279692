#include "container/module_loading.h"

#include <utility>

#include "wasmoor/container/kept_modules.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::container {
namespace {

using wasm::Cache;

void Warn(const WasmOptions& options, std::string_view line) {
  if (!line.empty() && options.warn) options.warn(line);
}

program::CompilerOptions CompilerOf(const WasmOptions& options) {
  return {.words = options.compiler, .bytes = options.compiler_bytes};
}

}  // namespace

Status ModuleLoading::MakeEngine() {
  Attempt attempt;
  if (options_.shared) {
    attempt.loaded.host = options_.shared->host;
    attempt.engine = options_.shared->engine;
    attempt_.emplace(std::move(attempt));
    return {};
  }
  attempt.loaded.host = program::NewHost();
  attempt.loaded.serves = sharing_ == wasm::Sharing::kManyGuests;
  wasm::EngineOptions engine = {
      .sharing = sharing_, .parallel_compile = false, .host = attempt.loaded.host.table};
  // The pool is the server's own.
  if (attempt.loaded.serves) engine.pool.instances = 0;
  attempt.loaded.descriptors.Look();
  attempt.engine = TRY(options_.engine.create(engine));
  TRY(attempt.loaded.descriptors.Find());
  attempt_.emplace(std::move(attempt));
  return {};
}

Result<std::optional<ModuleLoading::Loaded>> ModuleLoading::Find() {
  const wasm::ModuleHash hash = TRY_AS(cache_->HashFile(source_.file), "{}", source_.name);
  if (options_.kept) {
    if (Loaded kept = options_.kept->Find(hash)) return kept;
  }
  if (!attempt_) TRY(MakeEngine());
  EngineDescriptors& descriptors = attempt_->loaded.descriptors;
  descriptors.Look();
  auto found =
      TRY_AS(cache_->Find(*attempt_->engine, hash, Cache::Policy::kFastest), "{}", source_.name);
  if (!found) return std::nullopt;
  const bool serves_http = wasm::ServesHttp(*found->module);
  // Code of a shared engine serves as well as it runs.
  if (options_.shared) attempt_->loaded.serves = serves_http;
  if (use_ == Use::kProgram && !attempt_->loaded.serves && serves_http) {
    // Its guests share a process, which is other code.
    sharing_ = wasm::Sharing::kManyGuests;
    found.reset();
    attempt_.reset();
    return Find();
  }
  TRY_AS(descriptors.Find(), "{}", source_.name);
  // One that serves HTTP is loaded differently for each use.
  const bool keeps =
      options_.kept != nullptr && found->tier == wasm::Tier::kOptimized && !serves_http;
  Loaded loaded = TRY(Finish(*std::move(found)));
  if (keeps) options_.kept->Keep(hash, loaded);
  return loaded;
}

Result<ModuleLoading::Loaded> ModuleLoading::Finish(Cache::Found found) {
  Warn(options_, found.warning);
  if (found.tier == wasm::Tier::kBaseline)
    program::OptimizeInBackground(CompilerOf(options_), *cache_, sharing_, source_);
  LoadedModule loaded = std::move(attempt_->loaded);
  attempt_.reset();
  loaded.module = std::move(found.module);
  loaded.tier = found.tier;
  if (!loaded.serves) {
    // Links it, once and for all: what it imports is looked up here, where an operator hears of it.
    loaded.descriptors.Look();
    TRY_AS(loaded.module->NewInstance({}), "{}", source_.name);
    TRY_AS(loaded.descriptors.Find(), "{}", source_.name);
  }
  return std::make_shared<const LoadedModule>(std::move(loaded));
}

void ModuleLoading::GiveUp(const Error& why) {
  reasons_ += (reasons_.empty() ? "" : "; ") + why.message();
  cache_.reset();
}

// With the next cache that can be opened: what it has, or a compiler that is under way.
Result<std::optional<ModuleLoading::Loaded>> ModuleLoading::Begin() {
  while (tried_ < options_.caches.size()) {
    auto cache = program::OpenCache(options_.caches[tried_++]);
    if (!cache) {
      GiveUp(cache.error());
      continue;
    }
    cache_ = std::move(*cache);
    return FindOrCompile();
  }
  return Fail(Code::kFailedPrecondition,
              "{}: there is no place for its compiled code: {}; name a folder that can be written "
              "in WASMOOR_CACHE_DIR",
              source_.name, reasons_);
}

Result<std::optional<ModuleLoading::Loaded>> ModuleLoading::FindOrCompile() {
  if (auto found = TRY(Find())) return found;
  compiled_for_ = sharing_;
  compiler_ = TRY(program::StartCompiler(CompilerOf(options_), *cache_, sharing_,
                                         program::CompilerWork::kAtOnce, source_));
  return std::nullopt;
}

Result<std::optional<ModuleLoading::Loaded>> ModuleLoading::End(const os::Output& output) {
  compiler_.reset();
  const auto compiled = program::ReadAnswer(CompilerOf(options_), source_.name, output);
  if (!compiled) {
    if (compiled.error().code() != Code::kUnavailable) return tl::unexpected(compiled.error());
    GiveUp(compiled.error());
    return Begin();
  }
  Warn(options_, *compiled);
  if (auto found = TRY(Find())) return found;
  // It has turned out to need other code, or the code has vanished from the cache.
  if (sharing_ != compiled_for_) return FindOrCompile();
  GiveUp(Error(Code::kUnavailable, fmt::format("{}: the code vanished from the cache",
                                               cache_->options().directory.native())));
  return Begin();
}

Result<std::optional<ModuleLoading::Loaded>> ModuleLoading::Advance() {
  if (!cache_) {
    if (auto found = TRY(Begin())) return found;
  }
  for (;;) {
    const auto output = TRY(compiler_->Advance());
    if (!output) return std::nullopt;
    if (auto found = TRY(End(*output))) return found;
  }
}

}  // namespace wasmoor::container
