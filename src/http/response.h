#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/fields.h"

namespace wasmoor::http {

// One response of HTTP/1.1 on its way into bytes: what frames its body is decided when it is first
// sent, by how much of it is known by then (RFC 9112, section 6).
class Response {
 public:
  // What the request has to say about it.
  struct Context {
    bool is_head = false;     // HEAD: no body, whatever is written.
    bool is_http_1_1 = true;  // Chunks are understood.
    bool keep_alive = true;
  };
  // Fields that cannot be said are left out.
  void Begin(unsigned status, Fields fields, std::string_view date);
  void Write(std::string_view part) { body_ += part; }
  void Finish(Fields trailers);

  // Appends to `out` what can be sent by now.
  void Take(const Context& context, std::string* out);

  bool begun() const { return status_ != 0; }
  bool finished() const { return finished_; }
  // After the whole of it was taken: may another one follow on the connection?
  bool keeps_alive() const { return keeps_alive_; }
  // Less was written than its Content-Length says, or more.
  bool broken() const { return broken_; }
  size_t waiting() const { return body_.size(); }

  void Reset();
  void Trim() { body_.shrink_to_fit(); }

 private:
  void TakeHead(const Context& context, std::string* out);
  void TakeBody(std::string* out);

  enum class Framing : uint8_t { kUndecided, kNone, kLength, kChunked, kUntilClose };
  unsigned status_ = 0;
  std::string head_;                // Its lines but those of framing.
  std::string body_;                // Written and not taken.
  std::string trailers_;            // Their lines.
  std::optional<uint64_t> length_;  // Given by who answers.
  uint64_t taken_ = 0;              // Of the body.
  Framing framing_ = Framing::kUndecided;
  bool finished_ = false, ended_ = false, keeps_alive_ = true, broken_ = false;
};

// What is said in the status line.
std::string_view ReasonPhrase(unsigned status);

}  // namespace wasmoor::http
