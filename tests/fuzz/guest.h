#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "fuzz/targets.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasi/context.h"

namespace wasmoor::fuzz {

// A guest without an engine: a memory with forbidden ground on both sides, and WASI calls. Calls
// that block are interrupted within milliseconds. Files cannot become big.
class Guest {
 public:
  static constexpr size_t kMemory = 8192 + 24;  // Not a multiple of what anything is aligned to.

  explicit Guest(wasi::Grants grants);
  ~Guest();  // Ends the process if anything outside the memory was written.
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  std::span<uint8_t> memory() { return {ground_.data() + kBorder, kMemory}; }
  // The first result: an errno for most.
  hostcall::Outcome Call(const hostcall::Function& function, std::span<hostcall::Value> frame);

  static const hostcall::Function& Find(std::string_view name);

 private:
  static constexpr size_t kBorder = 1 << 16;

  std::vector<uint8_t> ground_;
  std::unique_ptr<wasi::Context> context_;
  hostcall::Interrupt interrupt_;
};

}  // namespace wasmoor::fuzz
