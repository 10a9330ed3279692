#include "ttrpc/connection.h"

#include <chrono>
#include <optional>
#include <utility>

#include "proto/ttrpc/ttrpc.pb.h"
#include "ttrpc/wire.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::ttrpc {
namespace {

// Of ttrpc.Response.
constexpr int kPayloadField = 2;

std::optional<std::chrono::nanoseconds> TimeoutOf(const ::ttrpc::Request& request) {
  if (request.timeout_nano() == 0) return std::nullopt;
  return std::chrono::nanoseconds(request.timeout_nano());
}

Metadata MetadataOf(::ttrpc::Request* request) {
  Metadata metadata;
  metadata.reserve(static_cast<size_t>(request->metadata_size()));
  for (auto& pair : *request->mutable_metadata())
    metadata.emplace_back(std::move(*pair.mutable_key()), std::move(*pair.mutable_value()));
  return metadata;
}

}  // namespace

Result<std::shared_ptr<rpc::Connection>> Connection::Open(
    loop::Loop& loop, os::Fd socket, std::weak_ptr<rpc::ConnectionOwner> owner) {
  auto connection = std::make_shared<Connection>(loop, std::move(owner));
  connection->channel_ = TRY(Channel::Open(loop, std::move(socket), *connection));
  return connection;
}

void Connection::Close() {
  if (channel_) channel_->Close();
  EndAll();
}

Status Connection::HandOver(handover::Server::Connection* state, os::Carried* carried) const {
  channel_->HandOver(state, carried);
  state->set_last_stream(last_stream_);
  return rpc::Connection::HandOver(state, carried);
}

void Connection::TakeOver(const handover::Server::Connection& state) {
  last_stream_ = state.last_stream();
  channel_->TakeOver(state);
  rpc::Connection::TakeOver(state);
}

void Connection::OnFrame(const Frame& frame) {
  // The order of these checks and their codes are those of Go's server.
  const uint32_t stream = frame.header.stream;
  if (frame.oversized) return Send(stream, TooLong("request", frame.header.length));
  if (stream % 2 != 1)
    return Send(stream, Error(Code::kInvalidArgument, "a client's stream ids must be odd"));
  if (frame.header.type == static_cast<uint8_t>(FrameType::kData)) return OnData(frame);
  if (frame.header.type == static_cast<uint8_t>(FrameType::kRequest)) return OnRequest(frame);
}

// No method here takes a stream; what a client sends on one after its request is an error. That it
// will send nothing more is not.
void Connection::OnData(const Frame& frame) {
  const uint32_t stream = frame.header.stream;
  const auto call = Find(stream);
  if (!call) return Send(stream, Error(Code::kInvalidArgument, "this stream has no open call"));
  if ((frame.header.flags & kNoData) != 0 && frame.payload.empty()) return;
  Break(*call, Error(Code::kInvalidArgument, call->name + ": takes one message and no stream"));
}

void Connection::OnRequest(const Frame& frame) {
  const uint32_t stream = frame.header.stream;
  if (stream <= last_stream_)
    return Send(stream, Error(Code::kInvalidArgument, "stream ids must rise, and are used once"));
  last_stream_ = stream;
  ::ttrpc::Request request;
  if (!Parse(frame.payload, &request))
    return Send(stream, Error(Code::kInvalidArgument, "this is no ttrpc request"));
  Begin(stream,
        {.service = request.service(),
         .method = request.method(),
         .metadata = MetadataOf(&request),
         .deadline = std::nullopt},
        TimeoutOf(request), request.payload());
}

Status Connection::Send(const rpc::OpenCall& call, const rpc::Payload& payload) {
  const size_t size = FieldSize(payload.size());
  if (size > kMostInFrame) {
    Error too_long = TooLong(call.name + ": the answer", size);
    Send(call.stream, too_long);
    return tl::unexpected(std::move(too_long));
  }
  char* room = channel_->Append(call.stream, FrameType::kResponse, size);
  if (room == nullptr)
    return Fail(Code::kCancelled, "{}: who asked does not read its answers", call.name);
  payload.Write(WriteFieldHead(kPayloadField, payload.size(), room));
  return {};
}

void Connection::Send(uint32_t stream, const Error& error) {
  ::ttrpc::Response response;
  response.mutable_status()->set_code(static_cast<int>(error.code()));
  response.mutable_status()->set_message(WireText(error));
  const rpc::Payload payload(response);
  if (char* room = channel_->Append(stream, FrameType::kResponse, payload.size()))
    payload.Write(room);
}

}  // namespace wasmoor::ttrpc
