#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "settings/toml.h"
#include "wasmoor/task/options.h"

// The settings that Options can be given from text, each once.
namespace wasmoor::task {

using settings::Text;  // In an annotation, which knows no types.
using settings::Value;

struct Setting {
  std::string_view key;  // "guest.memory"
  // The error says what the value must be, without naming the setting.
  Status (*set)(const Value& value, Options* options);
};

// Nullptr if there is none of that name. The settings of containerd's runc shim are known by its
// names, too.
const Setting* FindSetting(std::string_view key);

// Of one setting of Options, by its key. kInvalidArgument: there is none, or not of that value.
Status Set(std::string_view key, const Value& value, Options* options);

}  // namespace wasmoor::task
