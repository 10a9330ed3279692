#include "grpc/server_session.h"

#include <array>
#include <utility>

#include "wasmoor/base/check.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::grpc {
namespace {

// Of an error's text, which becomes a header of at most three times that.
constexpr size_t kMostText = 8 << 10;
constexpr size_t kMostPath = 256;  // Of that.
constexpr size_t kMostComing = 4;  // As many messages of the largest size.

ServerSession* SessionOf(void* data) { return static_cast<ServerSession*>(data); }

// Also "application/grpc+proto", but not "application/grpc-web".
bool IsGrpc(std::string_view type) {
  if (!type.starts_with(kContentType)) return false;
  type.remove_prefix(kContentType.size());
  return type.empty() || type.front() == '+' || type.front() == ';';
}

// Headers of the protocols themselves, which no service is told of.
bool IsMetadata(std::string_view name) {
  return !name.starts_with(':') && !name.starts_with("grpc-") && name != "te" &&
         name != "content-type";
}

}  // namespace

ServerSession::ServerSession(size_t most_bytes) : most_bytes_(most_bytes) {
  session_ = MakeHttp2(
      Http2Side::kServer, this,
      [this](nghttp2_session_callbacks* callbacks, nghttp2_option*) { AddCallbacks(callbacks); });
  constexpr std::array<nghttp2_settings_entry, 3> kSettings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMostCalls},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderBytes},
      // The trees of RFC 7540, which a client can have grow.
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  CHECK(nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, kSettings.data(),
                                kSettings.size()) == 0);
}

void ServerSession::AddCallbacks(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
        ServerSession* const self = SessionOf(data);
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
          self->streams_[frame->hd.stream_id].coming = std::make_unique<Coming>(self->most_bytes_);
        return 0;
      });
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks,
      [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
         const uint8_t* value, size_t value_size, uint8_t, void* data) {
        SessionOf(data)->OnHeader(frame->hd.stream_id, Text(name, name_size),
                                  Text(value, value_size));
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks, [](nghttp2_session*, uint8_t flags, int32_t id, const uint8_t* bytes, size_t size,
                    void* data) {
        SessionOf(data)->Ends(id, flags);
        SessionOf(data)->OnData(id, {bytes, size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
        const int32_t id = frame->hd.stream_id;
        const bool headers = frame->hd.type == NGHTTP2_HEADERS;
        if (!headers && frame->hd.type != NGHTTP2_DATA) return 0;
        SessionOf(data)->Ends(id, frame->hd.flags);
        if (headers && frame->headers.cat == NGHTTP2_HCAT_REQUEST) SessionOf(data)->OnHeaders(id);
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) SessionOf(data)->OnEnd(id);
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_send_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
        if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
          SessionOf(data)->OnAnswered(frame->hd.stream_id);
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, int32_t id, uint32_t, void* data) {
        SessionOf(data)->OnClose(id);
        return 0;
      });
}

Status ServerSession::Receive(std::span<const uint8_t> bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes.data(), bytes.size());
  CHECK(taken != NGHTTP2_ERR_NOMEM);
  if (taken < 0)
    return Fail(Code::kInternal, "the client does not speak HTTP/2: {}",
                nghttp2_strerror(static_cast<int>(taken)));
  return {};
}

ServerSession::Stream* ServerSession::Find(int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

std::unique_ptr<ServerSession::Coming> ServerSession::TakeComing(Stream* stream) {
  if (stream->coming) coming_ -= stream->coming->bytes;
  return std::move(stream->coming);
}

void ServerSession::OnHeader(int32_t id, std::string_view name, std::string_view value) {
  Stream* const stream = Find(id);
  if (stream == nullptr || !stream->coming) return;
  Coming& coming = *stream->coming;
  coming.header_bytes += name.size() + value.size() + kHeaderOverhead;
  // OnHeaders refuses it; until then nothing more is kept.
  if (coming.header_bytes > kMaxHeaderBytes) return;
  if (name == ":method")
    coming.http_method = value;
  else if (name == ":path")
    coming.request.path = value;
  else if (name == "content-type")
    coming.content_type = value;
  else if (name == "grpc-timeout")
    coming.timeout = value;
  else if (IsMetadata(name))
    coming.request.metadata.emplace_back(name, value);
}

void ServerSession::OnHeaders(int32_t id) {
  Stream* const stream = Find(id);
  if (stream == nullptr || !stream->coming) return;
  Coming& coming = *stream->coming;
  if (coming.header_bytes > kMaxHeaderBytes)
    return Refuse(id, stream, Error(Code::kResourceExhausted, "the request's headers have no end"));
  // gRPC's rule for what is HTTP of another kind ("Requests").
  if (coming.http_method != "POST") return RefuseHttp(id, stream, "405");
  if (!IsGrpc(coming.content_type)) return RefuseHttp(id, stream, "415");
  if (coming.timeout.empty()) return;
  coming.request.timeout = TimeoutFromText(coming.timeout);
  if (!coming.request.timeout)
    Refuse(id, stream,
           Error(Code::kInvalidArgument, "the request's header grpc-timeout is no duration"));
}

void ServerSession::OnData(int32_t id, std::span<const uint8_t> bytes) {
  Stream* const stream = Find(id);
  if (stream == nullptr || !stream->coming) return;
  Coming& coming = *stream->coming;
  coming.bytes += bytes.size();
  coming_ += bytes.size();
  const auto take = [&coming](std::string message) {
    if (coming.messages++ == 0) coming.request.message = std::move(message);
  };
  if (const Status read = coming.reader.Take(bytes, take); !read)
    return Refuse(id, stream, read.error());
  // The code is that of gRPC's table ("cardinality violation").
  if (coming.messages > 1)
    return Refuse(id, stream, Error(Code::kUnimplemented, "takes one message and no stream"));
  if (coming_ > kMostComing * (most_bytes_ + kPrefixBytes))
    Refuse(id, stream,
           Error(Code::kResourceExhausted, "this client sends too many requests at once"));
}

void ServerSession::Ends(int32_t id, uint8_t flags) {
  Stream* const stream = Find(id);
  if (stream != nullptr && (flags & NGHTTP2_FLAG_END_STREAM) != 0) stream->ended = true;
}

void ServerSession::OnEnd(int32_t id) {
  Stream* const stream = Find(id);
  if (stream == nullptr || !stream->coming) return;
  if (!stream->coming->reader.at_boundary())
    return Refuse(id, stream, Error(Code::kInvalidArgument, "the request ended within a message"));
  if (stream->coming->messages == 0)
    return Refuse(id, stream, Error(Code::kUnimplemented, "takes one message, and got none"));
  stream->wished = true;
  wishes_.push_back({.stream = id, .request = std::move(TakeComing(stream)->request)});
}

void ServerSession::OnClose(int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  TakeComing(&found->second);
  waiting_ -= found->second.answer.left();
  if (found->second.wished) wishes_.push_back({.stream = id, .request = std::nullopt});
  streams_.erase(found);
}

void ServerSession::Answer(int32_t id, const rpc::Payload& message) {
  Stream* const stream = Find(id);
  if (stream == nullptr || !stream->wished) return;
  stream->wished = false;
  stream->answer = Outgoing(WithPrefix(message));
  waiting_ += stream->answer.left();
  const std::array<nghttp2_nv, 2> fields = {Field(":status", "200"),
                                            Field("content-type", kContentType)};
  nghttp2_data_provider body = {};
  body.read_callback = [](nghttp2_session*, int32_t its_id, uint8_t* out, size_t size,
                          uint32_t* flags, nghttp2_data_source*,
                          void* data) { return SessionOf(data)->Give(its_id, out, size, flags); };
  CHECK(nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), &body) !=
        NGHTTP2_ERR_NOMEM);
}

ssize_t ServerSession::Give(int32_t id, uint8_t* out, size_t size, uint32_t* flags) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const size_t now = stream->answer.Take(out, size);
  waiting_ -= now;
  if (stream->answer.left() == 0) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv ok = Field("grpc-status", "0");
    CHECK(nghttp2_submit_trailer(session_.get(), id, &ok, 1) != NGHTTP2_ERR_NOMEM);
  }
  return static_cast<ssize_t>(now);
}

void ServerSession::Answer(int32_t id, const Error& error) {
  Stream* const stream = Find(id);
  if (stream == nullptr || !stream->wished) return;
  stream->wished = false;
  SendError(id, error);
}

// Headers that are trailers at once ("Trailers-Only").
void ServerSession::SendError(int32_t id, const Error& error) {
  const std::string code = std::to_string(static_cast<int>(error.code()));
  const std::string text = EncodePercents(
      Printable(std::string_view(error.message()).substr(0, kMostText), Lines::kMany));
  const std::array<nghttp2_nv, 5> fields = {
      Field(":status", "200"), Field("content-type", kContentType), Field("grpc-status", code),
      Field("grpc-message", text), Field("grpc-accept-encoding", "identity")};
  CHECK(nghttp2_submit_response(session_.get(), id, fields.data(), fields.size(), nullptr) !=
        NGHTTP2_ERR_NOMEM);
}

// What still comes of a call that was refused nobody reads (RFC 9113, section 8.1). A reset before
// the answer is sent would be sent in its place.
void ServerSession::OnAnswered(int32_t id) {
  const Stream* const stream = Find(id);
  if (stream != nullptr && !stream->ended)
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
}

void ServerSession::Refuse(int32_t id, Stream* stream, const Error& error) {
  const std::string path = stream->coming->request.path.substr(0, kMostPath);
  SendError(id, Error(error).WithContext(path));
  TakeComing(stream);
}

void ServerSession::RefuseHttp(int32_t id, Stream* stream, std::string_view status) {
  const nghttp2_nv field = Field(":status", status);
  CHECK(nghttp2_submit_response(session_.get(), id, &field, 1, nullptr) != NGHTTP2_ERR_NOMEM);
  TakeComing(stream);
}

void ServerSession::GoAway() {
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
}

}  // namespace wasmoor::grpc
