#pragma once

#include <cstddef>
#include <string_view>

#include "wasmoor/rpc/call.h"

namespace wasmoor::rpc {

// A message, serialized or still to be, that is written to where it is sent from and copied nowhere
// before. Borrows it, and is for use at once: between the two nobody else may serialize it.
class Payload {
 public:
  explicit Payload(std::string_view bytes) : bytes_(bytes), size_(bytes.size()) {}
  explicit Payload(const google::protobuf::MessageLite& message);

  size_t size() const { return size_; }
  void Write(char* out) const;  // size() bytes.

 private:
  const google::protobuf::MessageLite* message_ = nullptr;
  std::string_view bytes_;
  size_t size_;
};

}  // namespace wasmoor::rpc
