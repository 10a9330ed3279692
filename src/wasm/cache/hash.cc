// SHA256_Init and its companions are deprecated in favour of EVP, see the header.
#define OPENSSL_SUPPRESS_DEPRECATED
// Header only: the compiler keeps XXH3 and drops the rest of the library.
#define XXH_INLINE_ALL

#include "wasm/cache/hash.h"

#include <xxhash.h>

#include "wasmoor/base/check.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasm {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

}  // namespace

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

Checksummer::Checksummer() : state_(XXH3_createState()) {
  CHECK(state_ != nullptr);
  XXH3_128bits_reset(static_cast<XXH3_state_t*>(state_));
}

Checksummer::~Checksummer() { XXH3_freeState(static_cast<XXH3_state_t*>(state_)); }

void Checksummer::Update(std::span<const uint8_t> bytes) {
  XXH3_128bits_update(static_cast<XXH3_state_t*>(state_), bytes.data(), bytes.size());
}

Checksum Checksummer::Finish() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(static_cast<XXH3_state_t*>(state_));
  return {hash.low64, hash.high64};
}

Checksum ChecksumOf(std::span<const uint8_t> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::string ToHex(std::span<const uint8_t> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text;
}

}  // namespace wasmoor::wasm
