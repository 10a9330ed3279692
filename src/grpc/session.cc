#include "grpc/session.h"

#include <array>
#include <utility>

#include "wasmoor/base/check.h"
#include "wasmoor/base/percent.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::grpc {
namespace {

// What the server may send before it hears that some of it was read.
constexpr int32_t kWindowBytes = 1 << 20;

Session* SessionOf(void* data) { return static_cast<Session*>(data); }

Error NotHttp2(int error, const std::string& complaint) {
  return Error(Code::kInternal,
               fmt::format("the server's answer is not HTTP/2 as it must be: {}",
                           complaint.empty() ? nghttp2_strerror(error) : Printable(complaint)));
}

}  // namespace

void Session::AddCallbacks(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks,
      [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
         const uint8_t* value, size_t value_size, uint8_t, void* data) {
        return SessionOf(data)->OnHeader(frame->hd.stream_id, Text(name, name_size),
                                         Text(value, value_size));
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks,
      [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* data) {
        SessionOf(data)->OnData(id, {bytes, size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
        if (frame->hd.type == NGHTTP2_GOAWAY) SessionOf(data)->OnGoAway(frame->goaway);
        return 0;
      });
  // A request that could not be sent after all, since the server goes away.
  nghttp2_session_callbacks_set_on_frame_not_send_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, int, void* data) {
        if (frame->hd.type == NGHTTP2_HEADERS)
          SessionOf(data)->OnClose(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, int32_t id, uint32_t error, void* data) {
        SessionOf(data)->OnClose(id, error);
        return 0;
      });
  nghttp2_session_callbacks_set_error_callback2(
      callbacks, [](nghttp2_session*, int, const char* text, size_t size, void* data) {
        SessionOf(data)->complaint_.assign(text, size);
        return 0;
      });
}

Session::Session() {
  session_ = MakeHttp2(
      Http2Side::kClient, this,
      [this](nghttp2_session_callbacks* callbacks, nghttp2_option*) { AddCallbacks(callbacks); });
  constexpr std::array<nghttp2_settings_entry, 3> kSettings = {{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderBytes},
  }};
  CHECK(nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, kSettings.data(),
                                kSettings.size()) == 0);
  CHECK(nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0, kWindowBytes) ==
        0);
}

Status Session::Start(uint64_t call, const Request& request) {
  if (going_away_) return Fail(Code::kUnavailable, "the server takes no more calls{}", going_why_);
  const std::string timeout = TimeoutText(request.timeout);
  std::vector<nghttp2_nv> fields = {
      Field(":method", "POST"),       Field(":scheme", "http"),
      Field(":path", request.method), Field(":authority", "localhost"),
      Field("te", "trailers"),        Field("content-type", kContentType),
      Field("grpc-timeout", timeout), Field("user-agent", "wasmoor/" WASMOOR_VERSION),
  };
  for (const auto& [name, value] : request.metadata) fields.push_back(Field(name, value));
  nghttp2_data_provider body = {};
  body.read_callback = [](nghttp2_session*, int32_t id, uint8_t* out, size_t size, uint32_t* flags,
                          nghttp2_data_source*, void* data) -> ssize_t {
    Stream* const stream = SessionOf(data)->Find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t now = stream->body.Take(out, size);
    if (stream->body.left() == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(now);
  };
  const int32_t id =
      nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(), &body, nullptr);
  if (id < 0)
    return Fail(Code::kUnavailable, "the connection takes no more calls: {}", nghttp2_strerror(id));
  streams_.try_emplace(id, call, request);
  return {};
}

void Session::Cancel(uint64_t call) {
  for (auto& [id, stream] : streams_) {
    if (stream.call != call) continue;
    stream.cancelled = true;
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  }
  std::erase_if(events_, [call](const Event& event) { return event.call == call; });
}

Status Session::Receive(std::span<const uint8_t> bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes.data(), bytes.size());
  CHECK(taken != NGHTTP2_ERR_NOMEM);
  if (taken < 0) return tl::unexpected(NotHttp2(static_cast<int>(taken), complaint_));
  return {};
}

Status Session::Check() const {
  if (nghttp2_session_want_read(session_.get()) != 0) return {};
  return tl::unexpected(NotHttp2(NGHTTP2_ERR_PROTO, complaint_));
}

Session::Stream* Session::Find(int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

int Session::OnHeader(int32_t id, std::string_view name, std::string_view value) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return 0;
  stream->header_bytes += name.size() + value.size() + kHeaderOverhead;
  if (stream->header_bytes > kMaxHeaderBytes) {
    Refuse(id, stream,
           Error(Code::kResourceExhausted, "the answer's headers and trailers have no end"));
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  if (name == ":status") {
    // HTTP has three digits there; nghttp2 sees to it.
    stream->http_status = 0;
    for (const char digit : value) stream->http_status = stream->http_status * 10 + (digit - '0');
  } else if (name == "content-type") {
    stream->content_type = value;
  } else if (name == "grpc-status") {
    stream->grpc_status = value;
  } else if (name == "grpc-message") {
    stream->grpc_message = DecodePercents(value);
  }
  return 0;
}

void Session::OnData(int32_t id, std::span<const uint8_t> bytes) {
  Stream* const stream = Find(id);
  // A web server's page about an error is none of our messages.
  if (stream == nullptr || stream->failure || !stream->content_type.starts_with(kContentType))
    return;
  const auto take = [&](std::string message) {
    if (!stream->cancelled)
      events_.push_back({.call = stream->call, .message = std::move(message)});
  };
  if (Status read = stream->reader.Take(bytes, take); !read)
    Refuse(id, stream, std::move(read).error());
}

void Session::Refuse(int32_t id, Stream* stream, Error error) {
  if (!stream->failure) stream->failure = std::move(error);
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

void Session::OnGoAway(const nghttp2_goaway& frame) {
  // Streams that the server did not take are closed by nghttp2, as refused.
  going_away_ = true;
  const std::string_view why = Text(frame.opaque_data, frame.opaque_data_len);
  going_why_ = fmt::format(" ({}{}{})", nghttp2_http2_strerror(frame.error_code),
                           why.empty() ? "" : ": ", Printable(why));
}

void Session::OnClose(int32_t id, uint32_t error) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  if (!found->second.cancelled)
    events_.push_back({.call = found->second.call, .status = StatusOf(found->second, error)});
  streams_.erase(found);
}

Status Session::StatusOf(const Stream& stream, uint32_t error) const {
  if (stream.failure) return tl::unexpected(*stream.failure);
  if (error != NGHTTP2_NO_ERROR) {
    return Fail(CodeFromReset(error), "the server gave the call up: {}{}",
                nghttp2_http2_strerror(error), going_why_);
  }
  constexpr int kHttpOk = 200;
  if (!stream.grpc_status && stream.http_status != kHttpOk)
    return Fail(CodeFromHttp(stream.http_status), "the server answered with HTTP's status {}",
                stream.http_status);
  if (!stream.content_type.starts_with(kContentType))
    return Fail(Code::kUnknown, "the server's answer is no gRPC but '{}'",
                Printable(stream.content_type));
  if (!stream.grpc_status)
    return Fail(Code::kInternal, "the server's answer ended without a status");
  const Code code = CodeFromText(*stream.grpc_status);
  if (code != Code::kOk) {
    return Fail(code, "{}",
                stream.grpc_message.empty() ? CodeName(code) : Printable(stream.grpc_message));
  }
  if (!stream.reader.at_boundary())
    return Fail(Code::kInternal, "the server's answer ended within a message");
  return {};
}

}  // namespace wasmoor::grpc
