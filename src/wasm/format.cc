#include <algorithm>
#include <array>

#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm {
namespace {

// The preamble of a binary: "\0asm", then a 16-bit version and a 16-bit layer (0 core, 1
// component). Core specification 5.5.16; component model, Binary.md "Component Definitions".
constexpr std::array<uint8_t, 4> kMagic = {0x00, 'a', 's', 'm'};
constexpr size_t kLayerOffset = 6;
constexpr size_t kPreambleSize = 8;

bool HasLayer(Bytes bytes, uint8_t layer) {
  return bytes.size() >= kPreambleSize && std::equal(kMagic.begin(), kMagic.end(), bytes.begin()) &&
         bytes[kLayerOffset] == layer && bytes[kLayerOffset + 1] == 0;
}

}  // namespace

bool LooksLikeModule(Bytes bytes) { return HasLayer(bytes, 0); }

bool LooksLikeComponent(Bytes bytes) { return HasLayer(bytes, 1); }

}  // namespace wasmoor::wasm
