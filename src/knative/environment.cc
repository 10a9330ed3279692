#include "wasmoor/knative/environment.h"

#include <charconv>
#include <string_view>

#include "wasmoor/base/printable.h"

namespace wasmoor::knative {

Result<ContainerEnvironment> ReadContainerEnvironment(
    const std::function<const char*(const char*)>& get) {
  const auto value = [&get](const char* name) {
    const char* text = get(name);
    return std::string_view(text == nullptr ? "" : text);
  };
  ContainerEnvironment environment = {.service = std::string(value("K_SERVICE")),
                                      .revision = std::string(value("K_REVISION")),
                                      .configuration = std::string(value("K_CONFIGURATION"))};
  if (const std::string_view text = value("PORT"); !text.empty()) {
    uint16_t port = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (failed != std::errc() || end != text.data() + text.size() || port == 0)
      return Fail(Code::kInvalidArgument,
                  "the environment's PORT is '{}': it must be a number from 1 to 65535",
                  Printable(text));
    environment.port = port;
  }
  return environment;
}

}  // namespace wasmoor::knative
