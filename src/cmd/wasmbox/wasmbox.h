#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/functions/function_server.h"
#include "cmd/line/executable.h"
#include "cmd/line/pages.h"
#include "wasmoor/knative/reporter.h"

namespace wasmoor::cmd {

// wasmbox: `wasmoor serve` as it is set up by WasmBox's environment variables, with its routes,
// fields, replies and defaults.
class Wasmbox : public Executable {
 public:
  Wasmbox();
  std::string VersionText(bool json) const override;
  int Report(const Command* command, std::string_view command_name, const Error& error,
             Failure failure) override;

  // Puts the command's name where the caller has none: it serves.
  static std::vector<char*> Arrange(std::span<char* const> words);
};

// What WasmBox's variables say, over what `options` have. kInvalidArgument names the variable.
// `get` is getenv(3). What has no meaning here any more is said to `warn`, a line each.
Status ReadWasmboxEnvironment(const std::function<const char*(const char*)>& get,
                              const std::function<void(std::string_view)>& warn,
                              FunctionServerOptions* options);

}  // namespace wasmoor::cmd
