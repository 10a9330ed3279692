#pragma once

#include <fmt/format.h>

#include <tl/expected.hpp>
#include <utility>

#include "wasmoor/base/error.h"

namespace wasmoor {

// A value, or the Error that prevented it. No function of wasmoor throws; a Result that is not
// looked at is a compiler warning.
template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// Fail(Code::kNotFound, "module {}: no export '{}'", file, name)
template <typename... Args>
tl::unexpected<Error> Fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

tl::unexpected<Error> FailErrnoText(int error_number, std::string context);

// The same from an errno: the code follows from it and strerror's text is appended.
template <typename... Args>
tl::unexpected<Error> FailErrno(int error_number, fmt::format_string<Args...> format,
                                Args&&... args) {
  return FailErrnoText(error_number, fmt::format(format, std::forward<Args>(args)...));
}

namespace internal {
template <typename T>
T&& Take(Result<T>&& result) {
  return std::move(*result);
}
inline void Take(Status&&) {}
}  // namespace internal

}  // namespace wasmoor

// TRY(expression): the value of a Result, or return its Error from the function around it.
// TRY_AS(expression, format, args...): the same, with context put in front of the error.
#define TRY(expression)                                                    \
  ({                                                                       \
    auto try_result = (expression);                                        \
    if (!try_result) return tl::unexpected(std::move(try_result).error()); \
    ::wasmoor::internal::Take(std::move(try_result));                      \
  })
#define TRY_AS(expression, ...)                                                                   \
  ({                                                                                              \
    auto try_result = (expression);                                                               \
    if (!try_result)                                                                              \
      return tl::unexpected(std::move(try_result).error().WithContext(fmt::format(__VA_ARGS__))); \
    ::wasmoor::internal::Take(std::move(try_result));                                             \
  })
