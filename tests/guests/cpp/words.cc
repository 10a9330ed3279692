// Counts the words of stdin and prints the most frequent, with the standard library's streams,
// containers and algorithms; exceptions are not in Debian's libc++ for wasm.
#include <algorithm>
#include <cctype>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Count {
  std::string word;
  size_t times;
};

std::vector<Count> Counted(std::istream& input) {
  std::map<std::string, size_t> times;
  for (std::string word; input >> word;) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    times[word]++;
  }
  std::vector<Count> counts;
  for (const auto& [word, n] : times) counts.push_back({word, n});
  std::stable_sort(counts.begin(), counts.end(),
                   [](const Count& a, const Count& b) { return a.times > b.times; });
  return counts;
}

}  // namespace

int main(int argc, char** argv) {
  size_t shown = argc > 1 ? std::stoul(argv[1]) : 10;
  auto counts = std::make_unique<std::vector<Count>>(Counted(std::cin));
  std::ostringstream out;
  for (const Count& count : *counts) {
    if (shown-- == 0) break;
    out << std::setw(6) << count.times << " " << count.word << "\n";
  }
  std::cout << out.str() << counts->size() << " different words\n";
  return 0;
}
