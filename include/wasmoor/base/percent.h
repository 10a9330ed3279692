#pragma once

#include <string>
#include <string_view>

namespace wasmoor {

// `text` with each %XX as the byte that it stands for (RFC 3986, section 2.1). What is no such
// thing stays as it is.
std::string DecodePercents(std::string_view text);

}  // namespace wasmoor
