#include "wasm/binary_reader.h"

namespace wasmoor::wasm {
namespace {

constexpr int kGroupBits = 7;  // LEB128: seven bits a byte, the eighth says that more follow.
constexpr uint8_t kGroupMask = 0x7f;
constexpr uint8_t kMore = 0x80;
constexpr uint8_t kSign = 0x40;

}  // namespace

void BinaryReader::SetMistake(uint64_t offset, const std::string& message) {
  if (ok()) status_ = Fail(Code::kInvalidArgument, "at offset {:#x}: {}", offset, message);
  at_ = bytes_.size();
}

uint8_t BinaryReader::Byte() {
  if (at_end()) {
    Mistake("the file ends in the middle of something");
    return 0;
  }
  return bytes_[at_++];
}

uint64_t BinaryReader::Unsigned(int bits) {
  const uint64_t start = offset();
  uint64_t value = 0;
  for (int shift = 0; shift < bits; shift += kGroupBits) {
    const uint8_t byte = Byte();
    const uint64_t group = byte & kGroupMask;
    if (bits - shift < kGroupBits && group >> (bits - shift) != 0) break;
    value |= group << shift;
    if ((byte & kMore) == 0) return value;
  }
  SetMistake(start, fmt::format("a number does not fit into {} bits", bits));
  return 0;
}

int64_t BinaryReader::Signed(int bits) {
  const uint64_t start = offset();
  constexpr int kWidth = 64;
  uint64_t value = 0;
  for (int shift = 0; shift < bits; shift += kGroupBits) {
    const uint8_t byte = Byte();
    value |= static_cast<uint64_t>(byte & kGroupMask) << shift;
    if ((byte & kMore) != 0) continue;
    const int used = shift + kGroupBits;
    if (used < kWidth && (byte & kSign) != 0) value |= ~uint64_t{0} << used;
    return static_cast<int64_t>(value);
  }
  SetMistake(start, fmt::format("a number does not fit into {} bits", bits));
  return 0;
}

Bytes BinaryReader::Take(uint64_t size) {
  if (size > left()) {
    Mistake("{} bytes are announced and {} are left", size, left());
    return {};
  }
  const Bytes taken = bytes_.subspan(at_, size);
  at_ += size;
  return taken;
}

std::string BinaryReader::Name() {
  const uint32_t size = U32();
  if (size > kLongestName) {
    Mistake("a name of {} bytes; at most {} are read", size, kLongestName);
    return {};
  }
  const Bytes bytes = Take(size);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint32_t BinaryReader::Count(std::string_view what) {
  const uint32_t count = U32();
  if (count > left()) {
    Mistake("{} {} are announced and {} bytes are left", count, what, left());
    return 0;
  }
  if (count > kMostItems) {
    Mistake("{} {}; at most {} are read", count, what, kMostItems);
    return 0;
  }
  return count;
}

BinaryReader BinaryReader::Part(uint64_t size) {
  const uint64_t start = offset();
  return BinaryReader(Take(size), start);
}

}  // namespace wasmoor::wasm
