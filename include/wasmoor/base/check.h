#pragma once

namespace wasmoor::internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace wasmoor::internal

// An invariant of the program itself. When it does not hold, the process ends with a line on
// stderr: nothing it would do from here on could be trusted. Never for input.
#define CHECK(condition)                             \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::wasmoor::internal::CheckFailed(__FILE__, __LINE__, #condition))
