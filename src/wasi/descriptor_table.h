#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "wasi/descriptor.h"
#include "wasi/directory_reader.h"

namespace wasmoor::wasi {

// A guest's descriptors by number. A new one gets the lowest number that is free, as POSIX has it
// and libcs expect. Owns the descriptors; destruction closes them. The guest's thread only.
class DescriptorTable {
 public:
  // `limit`: how many may be open before the guest can open no more.
  explicit DescriptorTable(uint32_t limit);

  // nullptr if the number is not open. Valid until the next Insert.
  Descriptor* Find(Fd number) {
    return number < slots_.size() && slots_[number].open() ? &slots_[number] : nullptr;
  }

  // The same as an errno: kBadf if it is not open, kNotcapable if it lacks one of `rights`.
  Errno Get(Fd number, Rights rights, Descriptor** out) {
    *out = Find(number);
    if (*out == nullptr) return Errno::kBadf;
    return ((*out)->base & rights) == rights ? Errno::kSuccess : Errno::kNotcapable;
  }

  bool full() const { return open_ >= limit_; }

  // The number given. Does not look at the limit: callers ask full() before they make what they
  // insert.
  Fd Insert(Descriptor descriptor);

  // Closes it; kBadf if it is not open.
  Errno Close(Fd number);

  // Moves `from` to the number `to`, closing what was there; kBadf if either is not open.
  Errno Renumber(Fd from, Fd to);

  // The listing in progress of an open directory; begun if there is none.
  DirectoryReader& ReaderOf(Descriptor& directory) {
    const bool again = std::exchange(directory.listed, true);
    return readers_.Of(directory.serial, again ? Listing::kAgain : Listing::kFirst);
  }

 private:
  void Release(Fd number);

  std::vector<Descriptor> slots_;
  std::vector<uint64_t> used_;  // A bit a slot.
  size_t first_free_word_ = 0;  // No word of used_ before it has a zero.
  uint32_t open_ = 0;
  uint32_t limit_;
  uint64_t next_serial_ = 1;
  DirectoryReaders readers_;
};

}  // namespace wasmoor::wasi
