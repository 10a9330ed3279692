#include "wasi/descriptor_table.h"

#include <bit>
#include <utility>

namespace wasmoor::wasi {
namespace {

constexpr size_t kBits = 64;
constexpr size_t kFirstSlots = 8;  // Enough for most guests without a second allocation.

}  // namespace

DescriptorTable::DescriptorTable(uint32_t limit) : limit_(limit) { slots_.reserve(kFirstSlots); }

Fd DescriptorTable::Insert(Descriptor descriptor) {
  while (first_free_word_ < used_.size() && used_[first_free_word_] == ~uint64_t{0})
    ++first_free_word_;
  if (first_free_word_ == used_.size()) used_.push_back(0);
  uint64_t& word = used_[first_free_word_];
  const size_t number = first_free_word_ * kBits + std::countr_one(word);
  word |= uint64_t{1} << (number % kBits);
  descriptor.serial = next_serial_++;
  if (number < slots_.size())
    slots_[number] = std::move(descriptor);
  else
    slots_.push_back(std::move(descriptor));
  ++open_;
  return static_cast<Fd>(number);
}

Errno DescriptorTable::Close(Fd number) {
  Descriptor* descriptor = Find(number);
  if (descriptor == nullptr) return Errno::kBadf;
  readers_.Drop(descriptor->serial);
  *descriptor = Descriptor();
  Release(number);
  return Errno::kSuccess;
}

Errno DescriptorTable::Renumber(Fd from, Fd to) {
  Descriptor* source = Find(from);
  Descriptor* target = Find(to);
  if (source == nullptr || target == nullptr) return Errno::kBadf;
  if (source == target) return Errno::kSuccess;
  readers_.Drop(target->serial);
  *target = std::move(*source);
  *source = Descriptor();
  Release(from);
  return Errno::kSuccess;
}

void DescriptorTable::Release(Fd number) {
  const size_t word = number / kBits;
  used_[word] &= ~(uint64_t{1} << (number % kBits));
  if (word < first_free_word_) first_free_word_ = word;
  --open_;
}

}  // namespace wasmoor::wasi
