#pragma once

#include <span>
#include <string>
#include <string_view>

namespace wasmoor::cmd {

// The one of `known` that somebody who wrote `word` probably meant; empty if none is near.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> known);

// "; did you mean 'X'?", or nothing.
std::string DidYouMean(std::string_view word, std::span<const std::string_view> known);

// "a, b or c"
std::string JoinOr(std::span<const std::string_view> words);

}  // namespace wasmoor::cmd
