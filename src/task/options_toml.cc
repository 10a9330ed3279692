#include "settings/toml.h"
#include "task/settings.h"
#include "wasmoor/task/options.h"

namespace wasmoor::task {

Status Set(std::string_view key, const Value& value, Options* options) {
  const Setting* setting = FindSetting(key);
  if (setting == nullptr) return Fail(Code::kInvalidArgument, "there is no such setting");
  return setting->set(value, options);
}

Status ApplyToml(std::string_view document, std::string_view source, Options* options) {
  return settings::ReadToml(
      document, source,
      [options](const std::string& key, const Value& value) { return Set(key, value, options); });
}

}  // namespace wasmoor::task
