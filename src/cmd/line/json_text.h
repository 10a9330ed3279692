#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace wasmoor::cmd {

using Json = nlohmann::ordered_json;

// One line, with its newline. Bytes of strings that are not UTF-8 become U+FFFD: names in a module
// can be anything.
std::string JsonLine(const Json& json);

// The same for people: indented.
std::string JsonText(const Json& json);

}  // namespace wasmoor::cmd
