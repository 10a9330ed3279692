// How nghttp2 is set up, and how it calls Http2.
#include <array>

#include "http/http2.h"
#include "wasmoor/base/check.h"

namespace wasmoor::http {
namespace {

// Bodies that all of a connection's streams together may have on the way. One stream's window is
// HTTP/2's default of 64 KiB.
constexpr int32_t kWindow = 256 << 10;
// Of streams that a client takes back, nghttp2 counts all; Patience knows better.
constexpr uint64_t kNoLimit = 1 << 30;

}  // namespace

struct Http2::Callbacks {
  static Http2& Of(void* data) { return *static_cast<Http2*>(data); }
  static std::string_view Text(const uint8_t* bytes, size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
  }

  static int FrameBegun(nghttp2_session*, const nghttp2_frame_hd* head, void* data) {
    Of(data).OnFrameBegun(*head);
    return 0;
  }
  static int HeadersBegun(nghttp2_session*, const nghttp2_frame*, void* data) {
    Of(data).OnHeadersBegun();
    return 0;
  }
  static int Header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* data) {
    Of(data).head_.Add(Text(name, name_size), Text(value, value_size));
    return 0;
  }
  // By itself nghttp2 would leave the field out, and another server might not.
  static int BadHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t,
                       const uint8_t*, size_t, uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  static int Frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    Of(data).OnFrame(*frame);
    return 0;
  }
  static int BadFrame(nghttp2_session*, const nghttp2_frame* frame, int, void* data) {
    if (frame->hd.type == NGHTTP2_HEADERS) Of(data).OnBadHeaders();
    return 0;
  }
  static int Data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                  void* data) {
    Of(data).OnData(id, Text(bytes, size));
    return 0;
  }
  static int Closed(nghttp2_session*, int32_t id, uint32_t, void* data) {
    Of(data).OnClosed(id);
    return 0;
  }
  static int Sent(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    Of(data).OnSent(*frame);
    return 0;
  }
  static int SendData(nghttp2_session*, nghttp2_frame* frame, const uint8_t* frame_head,
                      size_t size, nghttp2_data_source*, void* data) {
    constexpr size_t kFrameHead = 9;  // RFC 9113, section 4.1.
    return Of(data).Give(frame->hd.stream_id, Text(frame_head, kFrameHead), size);
  }
};

Http2::Http2(Connection& connection) : connection_(connection), head_(connection.limits()) {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, Callbacks::FrameBegun);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::HeadersBegun);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::Header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, Callbacks::BadHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::Frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::BadFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::Data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::Closed);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::Sent);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::SendData);
  nghttp2_option* options = nullptr;
  CHECK(nghttp2_option_new(&options) == 0);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  nghttp2_option_set_stream_reset_rate_limit(options, kNoLimit, kNoLimit);
  nghttp2_session* session = nullptr;
  CHECK(nghttp2_session_server_new2(&session, callbacks, this, options) == 0);
  session_.reset(session);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  const Limits& limits = connection.limits();
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.head_bytes)},
      // The trees of RFC 7540, which a client could have grow.
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
  CHECK(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindow) == 0);
}

Http2::~Http2() { Forget(); }

}  // namespace wasmoor::http
