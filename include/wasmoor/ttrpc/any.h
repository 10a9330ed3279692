#pragma once

#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/ttrpc/service.h"

// google.protobuf.Any as containerd uses it: the type's URL is its bare name, without a host, and
// is compared as it is (github.com/containerd/typeurl). Any is a parameter as its header is
// generated.
namespace wasmoor::ttrpc {

template <typename Any, typename Message>
void Pack(const Message& message, Any* any) {
  any->set_type_url(message.GetTypeName());
  any->set_value(message.SerializeAsString());
}

// The name of what is inside, whether or not it has a host before it.
template <typename Any>
std::string_view TypeIn(const Any& any) {
  const std::string_view url = any.type_url();
  return url.substr(url.rfind('/') + 1);  // npos + 1 is 0.
}

template <typename Message, typename Any>
Result<Message> Unpack(const Any& any) {
  Message message;
  if (TypeIn(any) != message.GetTypeName())
    return Fail(Code::kInvalidArgument, "got a {} where a {} is due", any.type_url(),
                message.GetTypeName());
  if (!Parse(any.value(), &message))
    return Fail(Code::kInvalidArgument, "what calls itself a {} is none", message.GetTypeName());
  return message;
}

}  // namespace wasmoor::ttrpc
