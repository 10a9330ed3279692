#include "wasi/buffers.h"

#include <cstring>

namespace wasmoor::wasi {
namespace {

// How many entries are looked at before the Interrupt is: half a billion fit into a memory.
constexpr uint64_t kEntriesBetweenLooks = 1 << 16;

}  // namespace

Reply Buffers::Load(const hostcall::Call& call, Ptr list, Size count) {
  const uint8_t* entries = call.memory.At(list, uint64_t{count} * sizeof(Iovec));
  if (entries == nullptr) return Errno::kFault;
  for (uint64_t i = 0; i < count && count_ < kMost; ++i) {
    Iovec entry;
    std::memcpy(&entry, entries + i * sizeof(entry), sizeof(entry));
    if (entry.len != 0) {
      uint8_t* base = call.memory.At(entry.buf, entry.len);
      if (base == nullptr) return Errno::kFault;
      vectors_[count_++] = {base, entry.len};
    }
    if ((i + 1) % kEntriesBetweenLooks == 0 && call.interrupt.requested())
      return hostcall::Outcome::kStopped;
  }
  return Errno::kSuccess;
}

uint64_t Buffers::total() const {
  uint64_t total = 0;
  for (int i = 0; i < count_; ++i) total += vectors_[i].iov_len;
  return total;
}

}  // namespace wasmoor::wasi
