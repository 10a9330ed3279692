#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/http/server.h"

namespace wasmoor::function {

// A copy of a request's head, which itself is gone when its handler returns.
class Head {
 public:
  explicit Head(const http::Head& head);
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;

  std::string_view method() const { return method_; }
  std::string_view target() const { return target_; }
  http::Fields fields() const { return fields_; }
  bool has_body() const { return has_body_; }
  const std::string& peer() const { return peer_; }  // The client's address.
  std::string_view protocol() const { return protocol_; }

  // The value of the field, in whatever case its name is written; null if there is none. The second
  // of two is told apart by Count.
  const std::string_view* Find(std::string_view name) const;
  size_t Count(std::string_view name) const;

 private:
  std::string text_;  // What all views point into.
  std::string_view method_, target_;
  std::vector<http::Field> fields_;
  bool has_body_;
  const std::string peer_;
  std::string_view protocol_;
};

}  // namespace wasmoor::function
