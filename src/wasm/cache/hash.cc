// SHA256_Init and its companions are deprecated in favour of EVP, see the header.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "wasm/cache/hash.h"

#include "wasmoor/os/file.h"

namespace wasmoor::wasm {

Sha256::Sha256() { SHA256_Init(&context_); }

void Sha256::Update(std::span<const uint8_t> bytes) {
  SHA256_Update(&context_, bytes.data(), bytes.size());
}

Digest Sha256::Finish() {
  Digest digest;
  SHA256_Final(digest.data(), &context_);
  return digest;
}

Digest HashOf(std::span<const uint8_t> bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

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
