#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/http/server.h"

namespace wasmoor::http {

// What is wrong with a request, as a response's status.
struct Refusal {
  unsigned status = 0;
  std::string_view reason;
};

// One request after the other out of a connection's bytes. The grammar is Boost.Beast's parser's;
// on top of it stands what RFC 9112 demands of a server against two readers of one request who see
// different ends of it (sections 3.2, 6.1 and 6.3).
class Parser {
 public:
  explicit Parser(const Limits& limits);
  ~Parser();

  void Reset();  // For the next request.

  // Reads from `bytes`, which begin where the last call stopped, and returns how many it took: a
  // head whole or not at all, of a body one part. Views in head(), part() and trailers() point into
  // `bytes`.
  size_t Put(std::string_view bytes);

  bool head_done() const;
  bool done() const;  // With its body.
  const Refusal& refusal() const { return refusal_; }

  Head head() const;
  bool keep_alive() const;  // As the request wants it.
  bool is_http_1_1() const { return is_http_1_1_; }
  bool expects_continue() const { return expects_continue_; }
  uint64_t body_bytes() const { return body_bytes_; }  // So far.

  std::string_view part() const { return part_; }  // Of the body, from the last Put.
  Fields trailers() const { return trailers_; }

 private:
  class Grammar;
  size_t PutHead(std::string_view bytes);
  void CheckHead();

  const Limits& limits_;
  std::unique_ptr<Grammar> grammar_;
  std::string_view input_;  // Of the Put under way.
  std::string_view method_, target_;
  std::vector<Field> fields_, trailers_;
  std::string_view part_;
  Refusal refusal_;
  bool is_http_1_1_ = true, expects_continue_ = false;
  uint64_t body_bytes_ = 0;
  size_t searched_ = 0;  // For the end of the head.
};

}  // namespace wasmoor::http
