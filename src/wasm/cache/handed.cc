// Entries that one process opens and another loads.

#include <utility>

#include "wasm/cache/entry.h"
#include "wasm/cache/loader.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {

Result<os::Fd> Cache::OpenToHand(const Engine& engine, const ModuleHash& module,
                                 Policy policy) const {
  if (!directory_.valid()) return os::Fd();
  const Loader loader(*this, engine, module);
  for (const Tier tier : {Tier::kOptimized, Tier::kBaseline}) {
    if (tier == Tier::kBaseline && policy == Policy::kOptimized) break;
    const EntryKey key = loader.KeyOf(tier);
    OpenedEntry entry = TRY(OpenEntry(directory_, key.FileName(), Depth::kWhole, &key));
    if (entry.file.valid()) return std::move(entry.file);
  }
  return os::Fd();
}

Result<std::shared_ptr<const Module>> Cache::LoadHanded(const Engine& engine, os::Fd file) {
  OpenedEntry entry = TRY(ReadEntry(std::move(file), "", Depth::kLabel, nullptr));
  if (!entry.file.valid()) return Fail(Code::kDataLoss, "compiled code: {}", entry.damage);
  if (entry.info.key.fingerprint != engine.Fingerprint(entry.info.key.tier))
    return Fail(Code::kDataLoss, "compiled code: it is of another engine, CPU or setting");
  return engine.Load(TrustedCode(std::move(entry.file), entry.info.code));
}

}  // namespace wasmoor::wasm
