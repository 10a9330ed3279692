#include "container/limits.h"

#include <algorithm>
#include <cstdint>

namespace wasmoor::container {
namespace {

// What a control group counts of a guest's process besides the guest's memory: pages of the runtime
// that it writes to, stacks, the kernel's own. Measured (tests/container): under 1 MiB for a
// module.
constexpr uint64_t kOwnBytes = 2 << 20;
// And what grows with its memory: page tables, 1/512, and tables, whose elements have 8 bytes.
constexpr uint64_t kShareOfPagesAndTables = 64;
constexpr uint64_t kBytesPerTableElement = 1024;
// Enough for the functions of any module there is; below, a limit of memory would forbid modules
// that hardly use any.
constexpr uint64_t kLeastTableElements = 50'000;

}  // namespace

bool HasMemoryLimit(const oci::Linux& config) {
  if (!config.resources || !config.resources->memory) return false;
  return config.resources->memory->limit.value_or(0) > 0;
}

wasm::Limits LimitsOf(const oci::Linux& config) {
  wasm::Limits limits;
  if (!HasMemoryLimit(config)) return limits;
  const auto bytes = static_cast<uint64_t>(*config.resources->memory->limit);
  const uint64_t taken = kOwnBytes + bytes / kShareOfPagesAndTables;
  limits.memory_bytes = bytes > taken ? bytes - taken : 0;
  limits.table_elements =
      std::clamp(bytes / kBytesPerTableElement, kLeastTableElements, limits.table_elements);
  return limits;
}

wasm::Limits Within(const GuestBounds& bounds, wasm::Limits limits) {
  limits.memory_bytes = std::min(limits.memory_bytes, bounds.memory_bytes.value_or(UINT64_MAX));
  limits.table_elements =
      std::min(limits.table_elements, bounds.table_elements.value_or(UINT64_MAX));
  return limits;
}

}  // namespace wasmoor::container
