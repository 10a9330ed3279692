#include "cmd/line/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace wasmoor::cmd {
namespace {

constexpr size_t kLongestWord = 64;  // The work is quadratic in it.

// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment distance).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitution = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view word, std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kLongestWord) return {};
  std::string_view nearest;
  // A third of it may be wrong: more is another word.
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (std::string_view candidate : known) {
    const size_t distance = Distance(word, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  if (!nearest.empty()) return nearest;
  // A word that was begun and not ended.
  constexpr size_t kShortestBeginning = 3;
  if (word.size() < kShortestBeginning) return {};
  const auto begun = std::find_if(known.begin(), known.end(),
                                  [&](std::string_view one) { return one.starts_with(word); });
  return begun == known.end() ? std::string_view() : *begun;
}

std::string DidYouMean(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view nearest = Nearest(word, known);
  return nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest);
}

std::string JoinOr(std::span<const std::string_view> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace wasmoor::cmd
