#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/http/server.h"

namespace wasmoor::http {

// Fields that are kept.
class FieldList {
 public:
  void Add(std::string_view name, std::string_view value) {
    text_.append(name).append(value);
    sizes_.push_back({name.size(), value.size()});
  }
  bool empty() const { return sizes_.empty(); }
  void Clear() {
    text_.clear();
    sizes_.clear();
  }
  // Appends them to what is there: good until the next Add.
  template <typename Out>
  void AppendTo(Out* out) const {
    std::string_view rest = text_;
    for (const Sizes& one : sizes_) {
      out->push_back({rest.substr(0, one.name), rest.substr(one.name, one.value)});
      rest.remove_prefix(one.name + one.value);
    }
  }

 private:
  struct Sizes {
    size_t name, value;
  };
  std::string text_;
  std::vector<Sizes> sizes_;
};

}  // namespace wasmoor::http
