#pragma once

#include <algorithm>
#include <string_view>

namespace wasmoor {

// Whether two names are one where case does not count, as of HTTP's fields and hosts. Letters of
// ASCII only, whatever the locale is.
inline bool IsSameName(std::string_view one, std::string_view other) {
  constexpr auto kLower = [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return kLower(a) == kLower(b); });
}

}  // namespace wasmoor
