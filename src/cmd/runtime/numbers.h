#pragma once

#include <charconv>
#include <limits>
#include <string_view>

#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// The value of an option that is a whole number of this type. kInvalidArgument names the option.
template <typename Integer>
Result<Integer> ParseInteger(std::string_view option, std::string_view text) {
  Integer value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && !text.empty() && stop == text.data() + text.size()) return value;
  using Limits = std::numeric_limits<Integer>;
  return Fail(Code::kInvalidArgument, "{} '{}': must be a whole number from {} to {}", option, text,
              Limits::min(), Limits::max());
}

}  // namespace wasmoor::cmd
