#include "rpc/connection.h"

#include <vector>

namespace wasmoor::rpc {
namespace {

// As a context of Go does it: one beyond the end of the clock is its end.
Clock::time_point DeadlineAfter(std::chrono::nanoseconds timeout) {
  const auto now = Clock::now();
  return timeout > Clock::time_point::max() - now ? Clock::time_point::max() : now + timeout;
}

void TellGone(OpenCall& call) {
  if (const auto work = std::exchange(call.on_gone, nullptr)) work();
}

// Tells the hook, once: null if it was answered well.
void TellOver(OpenCall& call, const Error* error) {
  if (const auto tell = std::exchange(call.over, nullptr)) tell(error);
}

void TellOverUnanswered(OpenCall& call, std::string_view why) {
  if (!call.over) return;
  const Error error(Code::kCancelled, fmt::format("{}: {}", call.name, why));
  TellOver(call, &error);
}

std::unique_ptr<handover::Server::Call> RequestOf(uint32_t stream, const CallInfo& info,
                                                  std::string_view payload) {
  auto call = std::make_unique<handover::Server::Call>();
  call->set_stream(stream);
  call->set_service(std::string(info.service));
  call->set_method(std::string(info.method));
  call->set_payload(std::string(payload));
  for (const auto& [name, value] : info.metadata) {
    handover::Server::Metadata& one = *call->add_metadata();
    one.set_name(name);
    one.set_value(value);
  }
  return call;
}

}  // namespace

Connection::Connection(loop::Loop& loop, std::weak_ptr<ConnectionOwner> owner)
    : owner_(std::move(owner)), expiry_(loop, [this](Clock::time_point now) { Expire(now); }) {}

void Connection::Begin(uint32_t stream, CallInfo info,
                       std::optional<std::chrono::nanoseconds> timeout, std::string_view payload) {
  std::string name = fmt::format("{}/{}", info.service, info.method);
  // They, and the services with them, stay until the call has returned, whatever it does.
  const auto self = shared_from_this();
  const auto owner = owner_.lock();
  Service* const service = owner ? owner->Find(info.service) : nullptr;
  if (service == nullptr)
    return Send(stream, Error(Code::kUnimplemented, name + ": no such service is served here"));
  if (calls_.size() >= kMostCalls)
    return Send(stream, Error(Code::kResourceExhausted,
                              fmt::format("{} calls of this client wait already", kMostCalls)));
  if (timeout && timeout->count() <= 0)
    return Send(stream, Error(Code::kDeadlineExceeded, name + ": its time was up when it came"));
  if (timeout) info.deadline = DeadlineAfter(*timeout);

  auto call = std::make_shared<OpenCall>();
  call->connection = this;
  call->stream = stream;
  call->name = std::move(name);
  call->deadline = info.deadline;
  calls_.emplace(stream, call);
  if (info.deadline) expiry_.Add(*info.deadline);
  if (service->IsRepeatable(info.method)) call->repeatable = RequestOf(stream, info, payload);
  call->over = owner->Begin(info, payload);
  service->Call(info.method, payload, info, RawReply(std::move(call)));
}

std::shared_ptr<OpenCall> Connection::Find(uint32_t stream) const {
  const auto found = calls_.find(stream);
  return found == calls_.end() ? nullptr : found->second;
}

void Connection::Answer(OpenCall& call, const Payload& payload) {
  const Status sent = Send(call, payload);
  End(call, sent ? nullptr : &sent.error());
}

void Connection::Answer(OpenCall& call, const Error& error) {
  Send(call.stream, error);
  End(call, &error);
}

void Connection::Break(OpenCall& call, const Error& error) {
  Answer(call, error);
  TellGone(call);
}

void Connection::GiveUp(uint32_t stream) {
  const auto call = Find(stream);
  if (!call) return;
  calls_.erase(stream);
  call->connection = nullptr;
  TellOverUnanswered(*call, "who asked has given it up");
  TellGone(*call);
}

void Connection::Expire(Clock::time_point now) {
  const auto self = shared_from_this();
  std::vector<std::shared_ptr<OpenCall>> late;
  const auto next = TakeDue(now, &calls_, &late);
  if (next) expiry_.Add(*next);
  for (const auto& call : late)
    Answer(*call, Error(Code::kDeadlineExceeded, call->name + ": not done when its time was up"));
  // After that, since each may do anything.
  for (const auto& call : late) TellGone(*call);
}

void Connection::EndAll() {
  const Calls calls = std::exchange(calls_, {});
  for (const auto& [stream, call] : calls) call->connection = nullptr;
  for (const auto& [stream, call] : calls) TellOverUnanswered(*call, "the connection is closed");
  // After that, since each may do anything.
  for (const auto& [stream, call] : calls) TellGone(*call);
}

void Connection::Lose() {
  const auto self = shared_from_this();
  EndAll();
  if (const auto owner = owner_.lock()) owner->OnLost(*this);
}

Status Connection::HandOver(handover::Server::Connection* state, os::Carried*) const {
  for (const auto& [stream, call] : calls_) {
    if (!call->repeatable) return Fail(Code::kUnavailable, "{} is under way", call->name);
    handover::Server::Call& one = *state->add_calls();
    one = *call->repeatable;
    if (call->deadline)
      one.set_left(std::chrono::nanoseconds(*call->deadline - Clock::now()).count());
  }
  return {};
}

void Connection::TakeOver(const handover::Server::Connection& state) {
  for (const handover::Server::Call& one : state.calls()) {
    CallInfo info = {
        .service = one.service(), .method = one.method(), .metadata = {}, .deadline = std::nullopt};
    for (const auto& pair : one.metadata()) info.metadata.emplace_back(pair.name(), pair.value());
    std::optional<std::chrono::nanoseconds> timeout;
    if (one.has_left()) timeout = std::chrono::nanoseconds(one.left());
    Begin(one.stream(), std::move(info), timeout, one.payload());
  }
}

void Connection::End(OpenCall& call, const Error* error) {
  call.connection = nullptr;
  // What the map holds may be the last of it.
  const auto ended = calls_.extract(call.stream);
  TellOver(call, error);
}

}  // namespace wasmoor::rpc
