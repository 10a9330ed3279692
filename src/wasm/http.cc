#include "wasmoor/wasm/http.h"

#include <algorithm>

namespace wasmoor::wasm {
namespace {

constexpr std::string_view kHandler = "wasi:http/incoming-handler@0.2.", kCommand = "wasi:cli/run@";

bool Exports(std::span<const Extern> exports, std::string_view prefix) {
  return std::any_of(exports.begin(), exports.end(),
                     [&](const Extern& one) { return one.name.starts_with(prefix); });
}

}  // namespace

bool ServesHttp(const Module& module) {
  if (module.kind() != ModuleKind::kComponent) return false;
  const std::vector<Extern> exports = module.Exports();
  return Exports(exports, kHandler) && !Exports(exports, kCommand);
}

Result<std::unique_ptr<HttpHandler>> Module::NewHttpHandler(const HttpOptions&) const {
  return Fail(Code::kUnimplemented, "this engine serves no HTTP");
}

}  // namespace wasmoor::wasm
