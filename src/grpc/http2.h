#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

// What both sides of gRPC need of nghttp2.
namespace wasmoor::grpc {

// Of all headers and trailers of one call: names, values and kHeaderOverhead each, as HTTP/2 counts
// them (RFC 9113, section 6.5.2).
constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr size_t kHeaderOverhead = 32;
constexpr std::string_view kContentType = "application/grpc";

struct Http2Deleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using Http2 = std::unique_ptr<nghttp2_session, Http2Deleter>;

// Makes a session of what `configure` says, which is called once. Such a session forgets streams
// when they are closed.
enum class Http2Side : uint8_t { kClient, kServer };
Http2 MakeHttp2(Http2Side side, void* data,
                const std::function<void(nghttp2_session_callbacks*, nghttp2_option*)>& configure);

// Borrows both.
nghttp2_nv Field(std::string_view name, std::string_view value);

inline std::string_view Text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// What is to be sent next, as whole frames: no more of them once that are `most` bytes. Empty if
// nothing is.
std::string TakeOutput(nghttp2_session* session, size_t most = std::numeric_limits<size_t>::max());

// What a stream sends in DATA frames.
class Outgoing {
 public:
  Outgoing() = default;
  explicit Outgoing(std::string bytes) : bytes_(std::move(bytes)) {}

  // As much of it as `size` bytes at `out` hold; how much that was.
  size_t Take(uint8_t* out, size_t size);
  size_t left() const { return bytes_.size() - sent_; }

 private:
  std::string bytes_;
  size_t sent_ = 0;
};

}  // namespace wasmoor::grpc
