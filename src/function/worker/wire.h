#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Values as bytes, between two processes of one executable on one machine: numbers as they are in
// memory, texts with their size before them. Whoever reads them believes nothing.
namespace wasmoor::function {

class WireWriter {
 public:
  explicit WireWriter(std::string* to) : to_(*to) {}

  void Number(uint64_t number) {
    to_.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void Text(std::string_view text) {
    Number(text.size());
    to_ += text;
  }
  void Pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
    Number(pairs.size());
    for (const auto& [name, value] : pairs) {
      Text(name);
      Text(value);
    }
  }
  void Texts(std::span<const std::string> texts) {
    Number(texts.size());
    for (const std::string& text : texts) Text(text);
  }

 private:
  std::string& to_;
};

// After the first thing that is wrong, all that is read is empty, and ok() is false.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : left_(bytes) {}

  uint64_t Number() {
    uint64_t number = 0;
    if (!Has(sizeof number)) return 0;
    std::memcpy(&number, left_.data(), sizeof number);
    left_.remove_prefix(sizeof number);
    return number;
  }
  // At most `most`.
  uint64_t Number(uint64_t most) {
    const uint64_t number = Number();
    if (number <= most) return number;
    Break();
    return 0;
  }
  std::string_view Text() {
    const uint64_t size = Number();
    if (!Has(size)) return {};
    const std::string_view text = left_.substr(0, size);
    left_.remove_prefix(size);
    return text;
  }
  // How many things follow that take at least `least` bytes each.
  uint64_t Count(uint64_t least) { return Number(left_.size() / least); }
  std::vector<std::pair<std::string, std::string>> Pairs() {
    std::vector<std::pair<std::string, std::string>> pairs(Count(2 * sizeof(uint64_t)));
    for (auto& [name, value] : pairs) {
      name = Text();
      value = Text();
    }
    return pairs;
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts(Count(sizeof(uint64_t)));
    for (std::string& text : texts) text = Text();
    return texts;
  }

  std::string_view rest() const { return left_; }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && left_.empty(); }  // All of it was read.

 private:
  bool Has(uint64_t size) {
    if (size <= left_.size()) return ok_;
    Break();
    return false;
  }
  void Break() {
    ok_ = false;
    left_ = {};
  }

  std::string_view left_;
  bool ok_ = true;
};

}  // namespace wasmoor::function
