#include "function/catalog/loaded_modules.h"

#include <algorithm>
#include <utility>

#include "wasmoor/wasm/http.h"

namespace wasmoor::function {
namespace {

constexpr std::string_view kStart = "_start", kComponentCommand = "wasi:cli/run@";

bool HasFunction(const std::vector<wasm::Extern>& exports, std::string_view name) {
  return std::any_of(exports.begin(), exports.end(), [name](const wasm::Extern& one) {
    return one.kind == wasm::ExternKind::kFunction && one.name == name;
  });
}

}  // namespace

Result<std::optional<LoadedModules::Loaded>> LoadedModules::Find(
    const wasm::ModuleHash& hash, wasm::Cache::Policy policy, std::vector<std::string>* warnings) {
  const auto known = entries_.find(hash);
  if (known != entries_.end() &&
      (policy == wasm::Cache::Policy::kFastest || known->second.tier == wasm::Tier::kOptimized)) {
    if (auto module = known->second.module.lock())
      return Loaded{std::move(module), known->second.tier};
  }
  auto found = TRY(cache_.Find(engine_, hash, policy));
  if (!found) return std::nullopt;
  if (!found->warning.empty()) warnings->push_back(std::move(found->warning));
  Sweep();
  entries_[hash] = {.module = found->module, .tier = found->tier};
  return Loaded{std::move(found->module), found->tier};
}

void LoadedModules::Sweep() {
  if (entries_.size() < sweep_at_) return;
  std::erase_if(entries_, [](const auto& one) { return one.second.module.expired(); });
  sweep_at_ = std::max<size_t>(sweep_at_, entries_.size() * 2);
}

Kind KindOf(const wasm::Module& module) {
  if (wasm::ServesHttp(module)) return Kind::kHttp;
  const std::vector<wasm::Extern> exports = module.Exports();
  if (module.kind() == wasm::ModuleKind::kCore) {
    if (HasFunction(exports, kStart)) return Kind::kCommand;
    // What the crate wasmedge-bindgen exports beside the functions themselves.
    const bool is_bindgen = HasFunction(exports, "allocate") && HasFunction(exports, "deallocate");
    return is_bindgen ? Kind::kBindgen : Kind::kLibrary;
  }
  const bool runs = std::any_of(exports.begin(), exports.end(), [](const wasm::Extern& one) {
    return one.name.starts_with(kComponentCommand);
  });
  return runs ? Kind::kCommand : Kind::kLibrary;
}

Status CheckModule(const wasm::Module& module, const Manifest& manifest) {
  const bool is_core = module.kind() == wasm::ModuleKind::kCore;
  // A component's exports are in instances, and are named with their arguments.
  if (!manifest.entry.empty() && is_core && !HasFunction(module.Exports(), manifest.entry))
    return Fail(Code::kFailedPrecondition,
                "its manifest has run.entry = \"{}\", and it exports no such function",
                manifest.entry);
  if (!wasm::ServesHttp(module)) TRY(module.NewInstance({}));
  return {};
}

}  // namespace wasmoor::function
