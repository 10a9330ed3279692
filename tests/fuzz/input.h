#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "fuzz/targets.h"

namespace wasmoor::fuzz {

// Takes an input apart. Beyond its end everything is zero and empty.
class Input {
 public:
  explicit Input(Bytes bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }

  template <typename T>
  T Take() {
    T value = {};
    const size_t size = std::min(sizeof(T), rest_.size());
    if (size > 0) std::memcpy(&value, rest_.data(), size);
    rest_ = rest_.subspan(size);
    return value;
  }
  Bytes TakeBytes(size_t size) {
    const Bytes taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  // Up to the next line feed.
  std::string TakeLine() {
    const auto end = std::find(rest_.begin(), rest_.end(), '\n');
    std::string line(rest_.begin(), end);
    rest_ = rest_.subspan(std::min<size_t>(line.size() + 1, rest_.size()));
    return line;
  }

 private:
  Bytes rest_;
};

}  // namespace wasmoor::fuzz
