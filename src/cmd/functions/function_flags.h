#pragma once

#include <string>
#include <string_view>

#include "settings/toml.h"
#include "wasmoor/base/result.h"
#include "wasmoor/function/server.h"

namespace wasmoor::cmd {

// A setting of a server of functions, as its file has it: "listen", "usual.memory" and so on
// (docs/serve.md names all), or as a flag has it, whose text is settings::Text. kInvalidArgument
// says what it must be.
Status SetFunctionSetting(std::string_view key, const settings::Value& value,
                          function::ServerSettings* settings);

// The same of KEY=VALUE.
Status SetFunctionSettingText(std::string_view text, function::ServerSettings* settings);

// What a file of TOML says.
Status ReadFunctionSettings(const std::string& path, function::ServerSettings* settings);

}  // namespace wasmoor::cmd
