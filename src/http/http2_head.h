#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/field_list.h"
#include "http/fields.h"

namespace wasmoor::http {

// The fields of one request's head, or of its trailers, as they come in HTTP/2. That pseudo-fields
// are there, once each, and first, that names are in lower case, that no field is the connection's
// own and that values have nothing that ends them is nghttp2's to see to (RFC 9113, sections 8.2
// and 8.3); here is what is left of it, and what makes the head look as one of HTTP/1.1.
class Http2Head {
 public:
  explicit Http2Head(const Limits& limits) : limits_(limits) {}

  void Clear();
  void Trim();  // Clear, and give the memory back.
  void Add(std::string_view name, std::string_view value);

  size_t bytes() const { return bytes_; }  // As RFC 9113, section 6.5.2, counts them.
  // Whether all of them together are larger than is allowed. Then they are not all kept.
  bool too_large() const { return bytes_ > limits_.head_bytes; }
  // What is wrong with the head; of status 0: nothing. Once, before what follows.
  Refusal Check();

  // Both until the next Clear.
  Head head(bool has_body);
  Fields fields();
  bool is_head() const { return method_ == "HEAD"; }
  bool expects_continue() const { return expects_continue_; }

  // Trailers, to keep them.
  FieldList Take();

 private:
  void AddPseudo(std::string_view name, std::string_view value);

  const Limits& limits_;
  size_t bytes_ = 0;
  std::string method_, scheme_, authority_, path_, host_, cookie_;
  FieldList kept_;
  std::vector<Field> fields_;  // Views of all that.
  uint64_t length_ = 0;
  bool expects_continue_ = false, has_host_ = false;
};

}  // namespace wasmoor::http
