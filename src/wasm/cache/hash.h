#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

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

// XXH3-128: finds accidents (a flipped bit, a lost block), six times as fast as SHA-256. Against a
// forger it is nothing, and need not be: who can write the cache's directory is its owner.
struct Checksum {
  uint64_t low = 0, high = 0;
  bool operator==(const Checksum&) const = default;
};

class Checksummer {
 public:
  Checksummer();
  ~Checksummer();
  Checksummer(const Checksummer&) = delete;
  Checksummer& operator=(const Checksummer&) = delete;
  void Update(std::span<const uint8_t> bytes);
  Checksum Finish() const;

 private:
  void* state_;
};

Checksum ChecksumOf(std::span<const uint8_t> bytes);

// What files are read through, at a time. Small: the pages of the buffer are faulted in anew in
// every process, which at 16 KiB costs a cached start less than any other size does.
constexpr size_t kReadBuffer = 16 << 10;

std::string ToHex(std::span<const uint8_t> bytes);

}  // namespace wasmoor::wasm
