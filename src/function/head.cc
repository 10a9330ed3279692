#include "function/head.h"

#include <algorithm>

#include "wasmoor/base/ascii.h"

namespace wasmoor::function {

Head::Head(const http::Head& head)
    : has_body_(head.has_body), peer_(head.peer), protocol_(head.protocol) {
  size_t size = head.method.size() + head.target.size();
  for (const http::Field& field : head.fields) size += field.name.size() + field.value.size();
  // Whole from the beginning: views into it must not move.
  text_.reserve(size);
  const auto keep = [this](std::string_view part) {
    const size_t at = text_.size();
    text_ += part;
    return std::string_view(text_.data() + at, part.size());
  };
  method_ = keep(head.method);
  target_ = keep(head.target);
  fields_.reserve(head.fields.size());
  for (const http::Field& field : head.fields)
    fields_.push_back({keep(field.name), keep(field.value)});
}

const std::string_view* Head::Find(std::string_view name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(), [&](const http::Field& field) {
    return IsSameName(field.name, name);
  });
  return found == fields_.end() ? nullptr : &found->value;
}

size_t Head::Count(std::string_view name) const {
  return std::count_if(fields_.begin(), fields_.end(),
                       [&](const http::Field& field) { return IsSameName(field.name, name); });
}

}  // namespace wasmoor::function
