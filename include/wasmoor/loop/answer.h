#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::loop {

// Calls `done` from the loop, in the order of the calls of this: for who knows the answer at once,
// and must not give it before the call that asked has returned.
template <typename T>
void Answer(Loop& loop, std::function<void(Result<T>)> done,
            std::type_identity_t<Result<T>> result) {
  loop.Post([done = std::move(done), result = std::move(result)] { done(result); });
}

}  // namespace wasmoor::loop
