#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace wasmoor {

// XXH3-128: finds accidents (a flipped bit, a lost block), six times as fast as SHA-256. Against a
// forger it is nothing, and need not be: who can write what is kept with one is its owner.
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

std::string ToHex(std::span<const uint8_t> bytes);

}  // namespace wasmoor
