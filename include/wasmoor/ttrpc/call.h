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

// ttrpc: calls over a stream socket between processes of one machine, what containerd and its shims
// speak (github.com/containerd/ttrpc, PROTOCOL.md). Everything here belongs to the thread of its
// loop.
namespace wasmoor::ttrpc {

// Names and values that go with a request, in order; a name may be there more than once. Go's ttrpc
// writes names in lower case.
using Metadata = std::vector<std::pair<std::string, std::string>>;
using Clock = std::chrono::steady_clock;

// The most that a frame holds: a request or a response with all around its payload.
constexpr size_t kMostInFrame = 4 << 20;

// What comes with a request. Valid while the service's function runs.
struct CallInfo {
  std::string_view service;  // As it was called: one service may have several names.
  std::string_view method;
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

  // Nobody waits for the answer: the connection is lost, the deadline has passed, or it was given.
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

}  // namespace wasmoor::ttrpc
