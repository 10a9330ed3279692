#include "ttrpc/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "proto/ttrpc/ttrpc.pb.h"
#include "ttrpc/wire.h"

namespace wasmoor::ttrpc {
namespace {

constexpr size_t kMostCalls = 65536;
// Of ttrpc.Response.
constexpr int kPayloadField = 2;

// As a context of Go does it: one that lies in the past is at once.
Clock::time_point DeadlineOf(int64_t timeout_nano) {
  const auto now = Clock::now();
  const std::chrono::nanoseconds timeout(std::max<int64_t>(timeout_nano, 0));
  return timeout > Clock::time_point::max() - now ? Clock::time_point::max() : now + timeout;
}

Metadata MetadataOf(::ttrpc::Request* request) {
  Metadata metadata;
  metadata.reserve(static_cast<size_t>(request->metadata_size()));
  for (auto& pair : *request->mutable_metadata())
    metadata.emplace_back(std::move(*pair.mutable_key()), std::move(*pair.mutable_value()));
  return metadata;
}

}  // namespace

Connection::Connection(loop::Loop& loop, std::weak_ptr<Owner> owner)
    : owner_(std::move(owner)), expiry_(loop, [this](Clock::time_point now) {
        const auto self = shared_from_this();
        std::vector<std::shared_ptr<OpenCall>> late;
        const auto next = TakeDue(now, &calls_, &late);
        if (next) expiry_.Add(*next);
        for (const auto& call : late) {
          const Error error(Code::kDeadlineExceeded,
                            call->name + ": not done when its time was up");
          Refuse(call->stream, error);
          call->connection = nullptr;
          call->TellOver(&error);
        }
        for (const auto& call : late) {
          if (const auto work = std::exchange(call->on_gone, nullptr)) work();
        }
      }) {}

Result<std::shared_ptr<Connection>> Connection::Open(loop::Loop& loop, os::Fd socket,
                                                     std::weak_ptr<Owner> owner) {
  auto connection = std::make_shared<Connection>(loop, std::move(owner));
  connection->channel_ = TRY(Channel::Open(loop, std::move(socket), *connection));
  return connection;
}

void Connection::Close() {
  if (channel_) channel_->Close();
  EndAll();
}

void Connection::OnLost(const Error&) {
  const auto self = shared_from_this();
  EndAll();
  if (const auto owner = owner_.lock()) owner->OnLost(*this);
}

void Connection::EndAll() {
  const auto calls = std::exchange(calls_, {});
  for (const auto& [stream, call] : calls) call->connection = nullptr;
  for (const auto& [stream, call] : calls) {
    if (!call->over) continue;
    const Error gone(Code::kCancelled, call->name + ": the connection is closed");
    call->TellOver(&gone);
  }
  // After that, since each may do anything.
  for (const auto& [stream, call] : calls) {
    if (const auto work = std::exchange(call->on_gone, nullptr)) work();
  }
}

void Connection::OnFrame(const Frame& frame) {
  // The order of these checks and their codes are those of Go's server.
  const uint32_t stream = frame.header.stream;
  if (frame.oversized) return Refuse(stream, TooLong("request", frame.header.length));
  if (stream % 2 != 1)
    return Refuse(stream, Error(Code::kInvalidArgument, "a client's stream ids must be odd"));
  if (frame.header.type == static_cast<uint8_t>(FrameType::kData)) return OnData(frame);
  if (frame.header.type == static_cast<uint8_t>(FrameType::kRequest)) return OnRequest(frame);
}

// No method here takes a stream; what a client sends on one after its request is an error. That it
// will send nothing more is not.
void Connection::OnData(const Frame& frame) {
  const uint32_t stream = frame.header.stream;
  const auto found = calls_.find(stream);
  if (found == calls_.end())
    return Refuse(stream, Error(Code::kInvalidArgument, "this stream has no open call"));
  if ((frame.header.flags & kNoData) != 0 && frame.payload.empty()) return;
  const auto call = found->second;
  Answer(*call, Error(Code::kInvalidArgument, call->name + ": takes one message and no stream"));
  if (const auto work = std::exchange(call->on_gone, nullptr)) work();
}

void Connection::OnRequest(const Frame& frame) {
  const uint32_t stream = frame.header.stream;
  if (stream <= last_stream_)
    return Refuse(stream, Error(Code::kInvalidArgument, "stream ids must rise, and are used once"));
  last_stream_ = stream;
  ::ttrpc::Request request;
  if (!Parse(frame.payload, &request))
    return Refuse(stream, Error(Code::kInvalidArgument, "this is no ttrpc request"));
  CallInfo info = {.service = request.service(), .method = request.method()};
  // They, and the services with them, stay until the call has returned, whatever it does.
  const auto self = shared_from_this();
  const auto owner = owner_.lock();
  Service* service = owner ? owner->Find(info.service) : nullptr;
  if (service == nullptr)
    return Refuse(stream, Error(Code::kUnimplemented,
                                fmt::format("service {} is not served here", info.service)));
  if (calls_.size() >= kMostCalls)
    return Refuse(stream, Error(Code::kResourceExhausted,
                                fmt::format("{} calls of this client wait already", kMostCalls)));
  if (request.timeout_nano() != 0) info.deadline = DeadlineOf(request.timeout_nano());
  if (request.timeout_nano() < 0)
    return Refuse(stream, Error(Code::kDeadlineExceeded, "its time was up when it came"));
  info.metadata = MetadataOf(&request);

  auto call = std::make_shared<OpenCall>();
  call->connection = this;
  call->stream = stream;
  call->name = fmt::format("{}/{}", info.service, info.method);
  call->deadline = info.deadline;
  calls_.emplace(stream, call);
  if (info.deadline) expiry_.Add(*info.deadline);
  call->over = owner->Begin(info, request.payload());
  service->Call(info.method, request.payload(), info, RawReply(std::move(call)));
}

// Where the response to `call` goes. Null if there is no way any more, or none for so much; then
// the call is over.
char* Connection::Room(OpenCall& call, size_t payload) {
  const size_t size = FieldSize(payload);
  if (size > kMostInFrame) {
    Answer(call, TooLong(call.name + ": the answer", size));
    return nullptr;
  }
  if (char* room = channel_->Append(call.stream, FrameType::kResponse, size))
    return WriteFieldHead(kPayloadField, payload, room);
  const Error gone(Code::kCancelled, call.name + ": who asked does not read its answers");
  End(call, &gone);
  return nullptr;
}

void Connection::Answer(OpenCall& call, const google::protobuf::MessageLite& response) {
  char* room = Room(call, response.ByteSizeLong());
  if (room == nullptr) return;
  response.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(room));
  End(call, nullptr);
}

void Connection::Answer(OpenCall& call, std::string_view payload) {
  char* room = Room(call, payload.size());
  if (room == nullptr) return;
  std::memcpy(room, payload.data(), payload.size());
  End(call, nullptr);
}

void Connection::Answer(OpenCall& call, const Error& error) {
  Refuse(call.stream, error);
  End(call, &error);
}

void Connection::Refuse(uint32_t stream, const Error& error) {
  ::ttrpc::Response response;
  response.mutable_status()->set_code(static_cast<int>(error.code()));
  response.mutable_status()->set_message(WireText(error));
  const size_t size = response.ByteSizeLong();
  if (char* room = channel_->Append(stream, FrameType::kResponse, size))
    response.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(room));
}

void Connection::End(OpenCall& call, const Error* error) {
  call.connection = nullptr;
  // What the map holds may be the last of it.
  const auto ended = calls_.extract(call.stream);
  call.TellOver(error);
}

}  // namespace wasmoor::ttrpc
