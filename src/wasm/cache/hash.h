#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <span>

#include "base/checksum.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// The SHA-256 of a module: its name in the cache.
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
// Reads a regular file from start to end through a small buffer.
Result<Digest> HashOfFile(const os::Fd& file);

// What files are read through, at a time. Small: the pages of the buffer are faulted in anew in
// every process, which at 16 KiB costs a cached start less than any other size does.
constexpr size_t kReadBuffer = 16 << 10;

}  // namespace wasmoor::wasm
