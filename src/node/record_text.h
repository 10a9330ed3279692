#pragma once

#include <string>
#include <string_view>

#include "wasmoor/node/records.h"

namespace wasmoor::node {

// JSON.
std::string TextOf(const Record& record);
// kInvalidArgument names the field that is missing or wrong.
Result<Record> ParseRecord(std::string_view text);

}  // namespace wasmoor::node
