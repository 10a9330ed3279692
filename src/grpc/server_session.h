#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grpc/framing.h"
#include "grpc/http2.h"
#include "rpc/connection.h"
#include "wasmoor/base/result.h"
#include "wasmoor/grpc/service.h"

namespace wasmoor::grpc {

// A call that has come whole.
struct Incoming {
  std::string path;  // "/service/method"
  Metadata metadata;
  std::optional<std::chrono::nanoseconds> timeout;
  std::string message;
};

// What a client wants of a call: to have it begun or, if there is no request, nothing any more.
struct Wish {
  int32_t stream = 0;
  std::optional<Incoming> request;
};

// A server's side of one HTTP/2 connection, without the connection: bytes go in and come out. What
// is no call of gRPC's it refuses by itself. Its memory is bounded whatever comes in: requests that
// are still coming have four times the most of one together, with kMaxHeaderBytes of headers each;
// calls are at most kMostCalls; nghttp2 bounds the rest, which are resets of streams, frames that
// want an answer, and continued headers. waiting() is for the user to bound.
class ServerSession {
 public:
  // containerd has one connection, and on it a call for each pod that waits for its end. A client
  // of Go's lets all further calls wait, silently, at this number.
  static constexpr uint32_t kMostCalls = rpc::Connection::kMostCalls;

  explicit ServerSession(size_t most_bytes);
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  // Takes what the client sent. An Error: that is no HTTP/2, and nothing comes of it any more.
  Status Receive(std::span<const uint8_t> bytes);
  std::vector<Wish> TakeWishes() { return std::exchange(wishes_, {}); }

  // Once each call; nothing if it is not there any more.
  void Answer(int32_t stream, const rpc::Payload& message);
  void Answer(int32_t stream, const Error& error);
  // Takes no more calls, and says so.
  void GoAway();

  std::string TakeOutput(size_t most) { return grpc::TakeOutput(session_.get(), most); }
  // Of answers that the output has not had, since the client's windows are full.
  size_t waiting() const { return waiting_; }
  // Nothing that the client says matters any more: one of the sides has gone away, or broken the
  // rules and been told so by the output.
  bool over() const { return nghttp2_session_want_read(session_.get()) == 0; }

 private:
  // What has come of a call.
  struct Coming {
    explicit Coming(size_t most_bytes) : reader(Part::kRequest, most_bytes) {}
    std::string http_method, content_type, timeout;
    Incoming request;
    MessageReader reader;
    int messages = 0;
    size_t header_bytes = 0, bytes = 0;
  };
  struct Stream {
    std::unique_ptr<Coming> coming;  // Until it is whole, or refused.
    bool ended = false;              // The client has said all.
    bool wished = false;             // It is its user's, who has not answered.
    Outgoing answer;
  };

  void AddCallbacks(nghttp2_session_callbacks* callbacks);
  void OnHeader(int32_t id, std::string_view name, std::string_view value);
  void OnHeaders(int32_t id);
  void OnData(int32_t id, std::span<const uint8_t> bytes);
  void Ends(int32_t id, uint8_t flags);
  void OnEnd(int32_t id);
  void OnClose(int32_t id);
  ssize_t Give(int32_t id, uint8_t* out, size_t size, uint32_t* flags);
  void Refuse(int32_t id, Stream* stream, const Error& error);
  void RefuseHttp(int32_t id, Stream* stream, std::string_view status);
  void SendError(int32_t id, const Error& error);
  void OnAnswered(int32_t id);
  std::unique_ptr<Coming> TakeComing(Stream* stream);
  Stream* Find(int32_t id);

  const size_t most_bytes_;
  Http2 session_;
  std::map<int32_t, Stream> streams_;
  std::vector<Wish> wishes_;
  size_t coming_ = 0;  // Bytes of messages in all Coming.
  size_t waiting_ = 0;
};

}  // namespace wasmoor::grpc
