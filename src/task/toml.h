#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "task/settings.h"
#include "wasmoor/base/result.h"

namespace wasmoor::task {

// Calls `set` with each value of a TOML document, in no order, and its key, with that of the tables
// around it: "guest.memory". kInvalidArgument names `source`, the line and the key, and says what
// `set` did.
Status ReadToml(std::string_view document, std::string_view source,
                const std::function<Status(const std::string& key, const Value& value)>& set);

// What a file of settings says. Nothing is waited for: a FIFO, say, is refused (kInvalidArgument).
Result<std::string> ReadSettingsFile(const std::string& path);

// Of one setting of Options, by its key. kInvalidArgument: there is none, or not of that value.
Status Set(std::string_view key, const Value& value, Options* options);

}  // namespace wasmoor::task
