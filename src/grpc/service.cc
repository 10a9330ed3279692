#include "wasmoor/grpc/service.h"

#include <algorithm>
#include <utility>

#include "grpc/connection.h"

namespace wasmoor::grpc {

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

// Each ends the call, with which what OnGone was told goes, too; so nothing of this is looked at
// after.
void RawReply::operator()(std::string_view message) {
  if (gone()) return;
  const auto call = std::exchange(call_, nullptr);
  call->connection->Answer(*call, message);
  call->on_gone = nullptr;
}

void RawReply::operator()(const Error& error) {
  if (gone()) return;
  const auto call = std::exchange(call_, nullptr);
  call->connection->Answer(*call, error);
  call->on_gone = nullptr;
}

void Unimplemented(const CallInfo& info, RawReply reply) {
  reply(Error(Code::kUnimplemented,
              fmt::format("{} has no method {} here", info.service, info.method)));
}

}  // namespace wasmoor::grpc
