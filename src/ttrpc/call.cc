#include "wasmoor/ttrpc/call.h"

#include <algorithm>
#include <utility>

#include "ttrpc/connection.h"

namespace wasmoor::ttrpc {

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

// Each ends the call, with which what OnGone was told goes, too; so nothing of it is looked at
// after.
void RawReply::operator()(const google::protobuf::MessageLite& response) {
  if (gone()) return;
  const auto call = std::exchange(call_, nullptr);
  call->connection->Answer(*call, response);
  call->on_gone = nullptr;
}

void RawReply::operator()(std::string_view payload) {
  if (gone()) return;
  const auto call = std::exchange(call_, nullptr);
  call->connection->Answer(*call, payload);
  call->on_gone = nullptr;
}

void RawReply::operator()(const Error& error) {
  if (gone()) return;
  const auto call = std::exchange(call_, nullptr);
  call->connection->Answer(*call, error);
  call->on_gone = nullptr;
}

}  // namespace wasmoor::ttrpc
