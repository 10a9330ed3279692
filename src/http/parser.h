#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "http/fields.h"

namespace wasmoor::http {

// One request after the other out of a connection's bytes, by RFC 9112 in its strictest reading:
// what two readers of a request could see different ends of is refused (sections 3.2, 5.2, 6.1, 6.3
// and 7.1).
class Parser {
 public:
  explicit Parser(const Limits& limits) : limits_(limits) {}

  void Reset();  // For the next request.

  // Reads from `bytes`, which begin where the last call stopped, and returns how many it took: a
  // head whole or not at all, of a body one part. Views in head(), part() and trailers() point into
  // `bytes`.
  size_t Put(std::string_view bytes);

  bool head_done() const { return at_ != At::kHead; }
  bool done() const { return at_ == At::kEnd; }  // With its body.
  const Refusal& refusal() const { return refusal_; }

  Head head() const {
    return {.method = method_,
            .target = target_,
            .fields = fields_,
            .has_body = !done(),
            .protocol = is_http_1_1_ ? "HTTP/1.1" : "HTTP/1.0"};
  }
  bool keep_alive() const { return keep_alive_; }  // As the request wants it.
  bool is_http_1_1() const { return is_http_1_1_; }
  bool expects_continue() const { return expects_continue_; }
  // The value of HTTP2-Settings, where the client asks for h2c by all that RFC 7540, section 3.2,
  // has for that, in a request without a body.
  const std::string_view* h2c_settings() const { return wants_h2c_ ? &h2c_settings_ : nullptr; }
  uint64_t body_bytes() const { return body_bytes_; }  // So far.

  std::string_view part() const { return part_; }  // Of the body, from the last Put.
  Fields trailers() const { return trailers_; }

 private:
  enum class At : uint8_t { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailers, kEnd };
  struct Counted;

  // Each returns how many bytes it took; 0: it needs more.
  size_t PutHead(std::string_view bytes);
  size_t PutBody(std::string_view bytes);
  size_t PutChunkSize(std::string_view bytes);
  size_t PutChunkEnd(std::string_view bytes);
  size_t PutTrailers(std::string_view bytes);

  void ParseHead(std::string_view lines);
  bool ParseRequestLine(std::string_view line);
  bool ParseFields(std::string_view lines, std::vector<Field>* fields);
  void CheckHead();
  void Count(const Field& field, Counted* counted);
  void CheckUpgrade(const Counted& counted);
  void Refuse(unsigned status, std::string_view reason) { refusal_ = {status, reason}; }

  const Limits& limits_;
  std::string_view method_, target_;
  std::vector<Field> fields_, trailers_;
  std::string_view part_, h2c_settings_;
  Refusal refusal_;
  At at_ = At::kHead;
  bool is_http_1_1_ = true, keep_alive_ = true, expects_continue_ = false, wants_h2c_ = false;
  uint64_t left_ = 0;  // Of the body, or of a chunk.
  uint64_t body_bytes_ = 0;
  size_t searched_ = 0;    // For the end of a head or of trailers.
  size_t extensions_ = 0;  // Bytes of the chunks' extensions.
};

}  // namespace wasmoor::http
