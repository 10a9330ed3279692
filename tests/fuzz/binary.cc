#include "wasmoor/wasm/binary.h"

#include "fuzz/targets.h"
#include "wasmoor/base/check.h"

namespace wasmoor::fuzz {

void Binary(Bytes input) {
  const auto outline = wasm::ReadOutline(input);
  if (outline) {
    // What it says it holds cannot be more than there are bytes to say it with.
    CHECK(outline->functions <= input.size() && outline->code_bytes <= input.size());
    CHECK(outline->imports.size() <= input.size() && outline->exports.size() <= input.size());
    CHECK(wasm::LooksLikeModule(input) || wasm::LooksLikeComponent(input));
  } else {
    CHECK(!outline.error().message().empty());
  }
}

}  // namespace wasmoor::fuzz
