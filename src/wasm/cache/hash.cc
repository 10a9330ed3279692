#include "wasm/cache/hash.h"

#include <array>

#include "wasmoor/os/file.h"

namespace wasmoor::wasm {

Result<Digest> HashOfFile(const os::Fd& file) {
  Sha256 hash;
  std::array<uint8_t, kReadBuffer> buffer;
  uint64_t offset = 0;
  for (;;) {
    const size_t got = TRY(os::ReadAt(file, buffer, offset));
    hash.Update(std::span(buffer).first(got));
    offset += got;
    if (got < buffer.size()) return hash.Finish();
  }
}

}  // namespace wasmoor::wasm
