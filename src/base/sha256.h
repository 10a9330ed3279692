#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <span>

namespace wasmoor {

// A SHA-256: the name of a module in the cache, of a blob in an image.
using Digest = std::array<uint8_t, 32>;

// SHA-256 (FIPS 180-4) in pieces. libcrypto's low-level functions: its EVP layer sets the whole
// library up, which costs a short-lived process more than the hash does.
class Sha256 {
 public:
  Sha256();
  void Update(std::span<const uint8_t> bytes);
  Digest Finish();

 private:
  SHA256_CTX context_;
};

Digest HashOf(std::span<const uint8_t> bytes);

}  // namespace wasmoor
