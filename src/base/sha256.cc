// SHA256_Init and its companions are deprecated in favour of EVP, see the header.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/sha256.h"

namespace wasmoor {

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

}  // namespace wasmoor
