#include "cmd/engines.h"

#include <array>

#include "wasmoor/wasm/wasmtime.h"

namespace wasmoor::cmd {

std::span<const wasm::EngineFactory> Engines() {
  static const std::array engines = {
      wasm::WasmtimeFactory(),
  };
  return engines;
}

Result<wasm::EngineFactory> FindEngine(std::string_view name) {
  std::string names;
  for (const wasm::EngineFactory& engine : Engines()) {
    if (name.empty() || engine.name == name) return engine;
    names += (names.empty() ? "" : ", ") + std::string(engine.name);
  }
  return Fail(Code::kNotFound, "no engine '{}' is built in; there is: {}", name, names);
}

Result<std::vector<uint8_t>> ToBinary(std::vector<uint8_t> bytes) {
  if (wasm::LooksLikeModule(bytes) || wasm::LooksLikeComponent(bytes)) return bytes;
  return wasm::WasmtimeBinaryFromText(bytes);
}

}  // namespace wasmoor::cmd
