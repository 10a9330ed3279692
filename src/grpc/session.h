#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "grpc/framing.h"
#include "grpc/http2.h"
#include "wasmoor/base/result.h"
#include "wasmoor/grpc/client.h"

namespace wasmoor::grpc {

// What became of a call.
struct Event {
  uint64_t call = 0;
  std::optional<std::string> message;  // Else the call has ended, with `status`.
  Status status;
};

// A client's side of one HTTP/2 connection, without the connection: bytes go in and come out. Its
// memory is bounded whatever comes in: by the calls, their `most_bytes` and kMaxHeaderBytes.
class Session {
 public:
  Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // kUnavailable: the server takes no more calls on this connection. Its events carry `call`.
  Status Start(uint64_t call, const Request& request);
  // Gives a call up: no event comes of it any more.
  void Cancel(uint64_t call);

  // Takes what the server sent. An Error ends the connection: what came before it is in Events.
  Status Receive(std::span<const uint8_t> bytes);
  std::vector<Event> TakeEvents() { return std::exchange(events_, {}); }
  // What is to be sent next; empty if nothing is.
  std::string TakeOutput() { return grpc::TakeOutput(session_.get()); }
  // An Error once the server has broken the protocol, and has been told so by TakeOutput: nothing
  // comes of the connection any more.
  Status Check() const;

 private:
  // A call on the wire.
  struct Stream {
    Stream(uint64_t id, const Request& request)
        : call(id), body(WithPrefix(request.message)), reader(Part::kAnswer, request.most_bytes) {}
    uint64_t call;
    Outgoing body;
    MessageReader reader;
    size_t header_bytes = 0;
    int http_status = 0;
    std::string content_type;
    std::optional<std::string> grpc_status;
    std::string grpc_message;
    std::optional<Error> failure;  // Found on this side; the stream was reset for it.
    bool cancelled = false;
  };

  void AddCallbacks(nghttp2_session_callbacks* callbacks);
  int OnHeader(int32_t id, std::string_view name, std::string_view value);
  void OnData(int32_t id, std::span<const uint8_t> bytes);
  void OnGoAway(const nghttp2_goaway& frame);
  void OnClose(int32_t id, uint32_t error);
  void Refuse(int32_t id, Stream* stream, Error error);
  Status StatusOf(const Stream& stream, uint32_t error) const;
  Stream* Find(int32_t id);

  Http2 session_;
  std::map<int32_t, Stream> streams_;
  std::vector<Event> events_;
  bool going_away_ = false;
  std::string going_why_;  // Of the last GOAWAY.
  std::string complaint_;  // nghttp2's, of what came.
};

}  // namespace wasmoor::grpc
