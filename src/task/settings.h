#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "wasmoor/task/options.h"

// The settings that Options can be given from text, each once.
namespace wasmoor::task {

// A setting's value as it was written: in TOML, or (Text) in an annotation, which knows no types.
struct Text {
  std::string_view text;
};
using Value = std::variant<bool, int64_t, std::string, std::vector<std::string>, Text>;

struct Setting {
  std::string_view key;  // "guest.memory"
  // The error says what the value must be, without naming the setting.
  Status (*set)(const Value& value, Options* options);
};

// Nullptr if there is none of that name. The settings of containerd's runc shim are known by its
// names, too.
const Setting* FindSetting(std::string_view key);

}  // namespace wasmoor::task
