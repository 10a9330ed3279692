#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"

namespace google::protobuf {
class MessageLite;
}

// What calls between processes are, whatever they look like on the wire: a request, and one answer.
// The rooms ttrpc and grpc bring them over sockets. Everything here belongs to the thread of the
// server's loop.
namespace wasmoor::rpc {

// Names, in lower case, and values that go with a request, in order; a name may be there more than
// once.
using Metadata = std::vector<std::pair<std::string, std::string>>;
using Clock = std::chrono::steady_clock;

// What comes with a request. Valid while the service's function runs.
struct CallInfo {
  std::string_view service;  // As it was called: one service may have several names.
  std::string_view method;
  // Without what the protocol itself keeps there. In gRPC, a value whose name ends in "-bin" is
  // base64, as it came.
  Metadata metadata;
  // When the client stops waiting. It is answered kDeadlineExceeded then, and is gone.
  std::optional<Clock::time_point> deadline;

  // The first value of that name, which is in lower case.
  std::optional<std::string_view> Find(std::string_view name) const;
};

class OpenCall;

// Where the answer to one request goes: now or later, in any order, once. What comes after the
// first answer, or when the client is gone, does nothing. One that is dropped unanswered answers
// kInternal with the name of the method.
class RawReply {
 public:
  RawReply() = default;  // Of no call: gone.
  explicit RawReply(std::shared_ptr<OpenCall> call) : call_(std::move(call)) {}
  RawReply(RawReply&&) noexcept = default;
  RawReply& operator=(RawReply&& other) noexcept;
  ~RawReply();

  void operator()(const google::protobuf::MessageLite& response);
  void operator()(std::string_view payload);  // A serialized message.
  void operator()(const Error& error);

  // Nobody waits for the answer: the client has given the call up, the connection is lost, the
  // deadline has passed, or it was given.
  bool gone() const;
  // Calls `work` when the client goes before it has its answer. One at a time, a later one takes an
  // earlier one's place; it may answer or destroy this. Not called if the client is gone already.
  void OnGone(std::function<void()> work);

 private:
  std::shared_ptr<OpenCall> call_;
};

// The same for a response of type T, a message of protobuf.
template <typename T>
class Reply {
 public:
  Reply() = default;
  explicit Reply(RawReply raw) : raw_(std::move(raw)) {}

  void operator()(const T& response) { raw_(response); }
  void operator()(const Result<T>& result) {
    if (result)
      raw_(*result);
    else
      raw_(result.error());
  }
  void operator()(const tl::unexpected<Error>& failure) { raw_(failure.value()); }
  // For responses that say nothing but that it is done.
  void operator()(const Status& status) {
    if (status)
      raw_(T());
    else
      raw_(status.error());
  }

  bool gone() const { return raw_.gone(); }
  void OnGone(std::function<void()> work) { raw_.OnGone(std::move(work)); }

 private:
  RawReply raw_;
};

}  // namespace wasmoor::rpc
