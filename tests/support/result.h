#pragma once

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "wasmoor/base/result.h"

namespace wasmoor::test {

// The value of a Result that must be one; the test program ends otherwise.
template <typename T>
T Must(Result<T> result) {
  if (!result) {
    fprintf(stderr, "unexpected error: %s\n", result.error().message().c_str());
    abort();
  }
  return internal::Take(std::move(result));
}

}  // namespace wasmoor::test
