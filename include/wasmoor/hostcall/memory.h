#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace wasmoor::hostcall {

// The calling guest's linear memory, for the length of one host call: growing moves it. The guest
// is hostile: an offset is only ever turned into a pointer by these functions, which check it
// against the size without overflow. Another thread of the guest may write at any time (shared
// memory), so a value is read once and then checked, never checked and read again.
class Memory {
 public:
  Memory() = default;
  Memory(uint8_t* base, uint64_t size) : base_(base), size_(size) {}

  uint64_t size() const { return size_; }

  bool Contains(uint64_t offset, uint64_t length) const {
    return offset <= size_ && length <= size_ - offset;
  }

  // length bytes at offset; nullptr if any of them is outside. Zero bytes at the very end are
  // inside.
  uint8_t* At(uint64_t offset, uint64_t length) const {
    return Contains(offset, length) ? base_ + offset : nullptr;
  }

  // Reads or writes one plain value, at any alignment. False, and nothing done, if it is outside.
  template <typename T>
  [[nodiscard]] bool Load(uint64_t offset, T* out) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const uint8_t* from = At(offset, sizeof(T));
    if (from == nullptr) return false;
    std::memcpy(out, from, sizeof(T));
    return true;
  }
  template <typename T>
  [[nodiscard]] bool Store(uint64_t offset, const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    uint8_t* to = At(offset, sizeof(T));
    if (to == nullptr) return false;
    std::memcpy(to, &value, sizeof(T));
    return true;
  }

 private:
  uint8_t* base_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace wasmoor::hostcall
