#include "grpc/http2.h"

#include <algorithm>
#include <cstring>

#include "wasmoor/base/check.h"

namespace wasmoor::grpc {

Http2 MakeHttp2(Http2Side side, void* data,
                const std::function<void(nghttp2_session_callbacks*, nghttp2_option*)>& configure) {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_option* options = nullptr;
  CHECK(nghttp2_option_new(&options) == 0);
  nghttp2_option_set_no_closed_streams(options, 1);
  configure(callbacks, options);
  const auto make =
      side == Http2Side::kClient ? nghttp2_session_client_new2 : nghttp2_session_server_new2;
  nghttp2_session* session = nullptr;
  CHECK(make(&session, callbacks, data, options) == 0);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  return Http2(session);
}

nghttp2_nv Field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string TakeOutput(nghttp2_session* session, size_t most) {
  std::string output;
  while (output.size() < most) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session, &bytes);
    CHECK(size != NGHTTP2_ERR_NOMEM);
    if (size <= 0) break;
    output.append(Text(bytes, static_cast<size_t>(size)));
  }
  return output;
}

size_t Outgoing::Take(uint8_t* out, size_t size) {
  const size_t now = std::min(size, left());
  std::memcpy(out, bytes_.data() + sent_, now);
  sent_ += now;
  return now;
}

}  // namespace wasmoor::grpc
