#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "wasmoor/base/result.h"

// Settings as people write them down. What they mean is for the rooms that have them.
namespace wasmoor::settings {

// A setting's value as it was written: in TOML, or (Text) where there are no types, as in an
// annotation.
struct Text {
  std::string_view text;
};
using Value = std::variant<bool, int64_t, std::string, std::vector<std::string>, Text>;

// Calls `set` with each value of a TOML document, in no order, and its key, with that of the tables
// around it: "guest.memory"; of the second table in a list of tables: "directories[1].host".
// kInvalidArgument names `source`, the line and the key, and says what `set` did. The document may
// be hostile.
Status ReadToml(std::string_view document, std::string_view source,
                const std::function<Status(const std::string& key, const Value& value)>& set);

// What a file of settings says. Nothing is waited for: a FIFO, say, is refused (kInvalidArgument).
Result<std::string> ReadSettingsFile(const std::string& path);

}  // namespace wasmoor::settings
