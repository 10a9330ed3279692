#pragma once

#include <string>

#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// The text of a JSON document that an option names; "-": standard input. At most
// oci::kMaxSpecBytes.
Result<std::string> ReadDocument(const std::string& path);

}  // namespace wasmoor::cmd
