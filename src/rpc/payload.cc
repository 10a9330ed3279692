#include "rpc/payload.h"

#include <google/protobuf/message_lite.h>

#include <cstdint>

namespace wasmoor::rpc {

Payload::Payload(const google::protobuf::MessageLite& message)
    : message_(&message), size_(message.ByteSizeLong()) {}

void Payload::Write(char* out) const {
  if (message_ != nullptr)
    message_->SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out));
  else
    bytes_.copy(out, size_);
}

}  // namespace wasmoor::rpc
