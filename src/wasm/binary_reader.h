#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm {

// A place in a binary. After the first mistake it stands at the end and every read gives zero, so
// that whoever reads looks at status() once per item and not once per byte.
class BinaryReader {
 public:
  // `offset`: of bytes[0] in the file, for messages.
  explicit BinaryReader(Bytes bytes, uint64_t offset = 0) : bytes_(bytes), base_(offset) {}

  bool at_end() const { return at_ == bytes_.size(); }
  size_t left() const { return bytes_.size() - at_; }
  uint64_t offset() const { return base_ + at_; }
  bool ok() const { return status_.has_value(); }
  const Status& status() const { return status_; }

  uint8_t Byte();
  uint8_t Peek() const { return at_end() ? 0 : bytes_[at_]; }
  uint32_t U32() { return static_cast<uint32_t>(Unsigned(32)); }
  uint64_t U64() { return Unsigned(64); }
  int64_t Signed(int bits);  // s32, s33, s64.
  Bytes Take(uint64_t size);
  std::string Name();  // A length and that many bytes.
  // The number of items that follow. Each takes a byte at least, so more than are left is a lie.
  uint32_t Count(std::string_view what);
  // A reader of the next `size` bytes, which this one skips.
  BinaryReader Part(uint64_t size);

  template <typename... Args>
  void Mistake(fmt::format_string<Args...> format, Args&&... args) {
    SetMistake(offset(), fmt::format(format, std::forward<Args>(args)...));
  }
  void Fold(const BinaryReader& part) {
    if (ok() && !part.ok()) status_ = part.status_, at_ = bytes_.size();
  }

 private:
  uint64_t Unsigned(int bits);
  void SetMistake(uint64_t offset, const std::string& message);

  Bytes bytes_;
  uint64_t base_;
  size_t at_ = 0;
  Status status_;
};

// A list of the file that is longer than this is of no use to anybody who looks at an outline, and
// would cost memory by the hundredfold of the file. The limit is that of the JavaScript interface
// ("Implementation-defined Limits") on imports and exports.
constexpr uint32_t kMostItems = 1'000'000;
constexpr uint32_t kLongestName = 100'000;  // Bytes; the same limits.

}  // namespace wasmoor::wasm
