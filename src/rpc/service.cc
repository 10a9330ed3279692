#include "wasmoor/rpc/service.h"

#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <utility>

namespace wasmoor::rpc {

bool Parse(std::string_view payload, google::protobuf::MessageLite* message) {
  // What is wrong with a text in it protobuf would write to stderr, as often as anybody sends one.
  const google::protobuf::LogSilencer silence;
  return message->ParseFromArray(payload.data(), static_cast<int>(payload.size()));
}

void Unimplemented(const CallInfo& info, RawReply reply) {
  reply(Error(Code::kUnimplemented,
              fmt::format("{} has no method {} here", info.service, info.method)));
}

void NotARequest(const CallInfo& info, RawReply reply) {
  reply(Error(Code::kInvalidArgument,
              fmt::format("{}/{}: the payload is not its request", info.service, info.method)));
}

}  // namespace wasmoor::rpc
