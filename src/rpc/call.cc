#include "wasmoor/rpc/call.h"

#include <algorithm>
#include <utility>

#include "rpc/connection.h"

namespace wasmoor::rpc {
namespace {

// The end of a call is that of what OnGone was told, too; which may hold the reply, so nothing of
// that is looked at after.
template <typename Answer>
void Give(const std::shared_ptr<OpenCall>& call, const Answer& answer) {
  call->connection->Answer(*call, answer);
  call->on_gone = nullptr;
}

}  // namespace

std::optional<std::string_view> CallInfo::Find(std::string_view name) const {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [name](const auto& pair) { return pair.first == name; });
  if (found == metadata.end()) return std::nullopt;
  return found->second;
}

RawReply::~RawReply() {
  if (!gone())
    (*this)(Error(Code::kInternal, call_->name + ": dropped without an answer, a defect here"));
}

RawReply& RawReply::operator=(RawReply&& other) noexcept {
  RawReply dropped(std::move(*this));
  call_ = std::move(other.call_);
  return *this;
}

bool RawReply::gone() const { return !call_ || call_->connection == nullptr; }

void RawReply::OnGone(std::function<void()> work) {
  if (!gone()) call_->on_gone = std::move(work);
}

void RawReply::operator()(const google::protobuf::MessageLite& response) {
  if (!gone()) Give(std::exchange(call_, nullptr), Payload(response));
}

void RawReply::operator()(std::string_view payload) {
  if (!gone()) Give(std::exchange(call_, nullptr), Payload(payload));
}

void RawReply::operator()(const Error& error) {
  if (!gone()) Give(std::exchange(call_, nullptr), error);
}

}  // namespace wasmoor::rpc
