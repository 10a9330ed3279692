#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/function/catalog/manifest.h"

namespace wasmoor::function {

// How a response begins, as a program's output says it.
struct ReplyHead {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> fields;
  size_t body_at = 0;  // Of the output, where its body begins.
};

// kCgi: the output begins with fields and an empty line (RFC 3875, section 6): Status, Location,
// Content-Type and others. kAuto: the same if one of these three is among them, else all of it is
// the body, of text/plain. Nothing: that cannot be told before there is more of it; not if `ended`.
// kInvalidArgument, of kCgi: there are no such fields.
Result<std::optional<ReplyHead>> ReadReplyHead(Reply form, std::string_view output, bool ended);

}  // namespace wasmoor::function
