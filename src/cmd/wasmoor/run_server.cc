#include "cmd/wasmoor/run_server.h"

#include <cstdlib>

#include "cmd/wasmoor/compiler.h"
#include "cmd/wasmoor/run_report.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::cmd {
namespace {

// What the server is told by variables, a user may say by a flag; and who runs a program to look at
// it wants it for himself.
Result<serve::Settings> SettingsOf(const RunFlags& flags) {
  serve::Settings defaults;
  defaults.listen = "127.0.0.1:8080";
  std::vector<std::pair<std::string, std::string>> variables;
  if (!flags.http_listen.empty()) variables.emplace_back("WASMOOR_HTTP_LISTEN", flags.http_listen);
  if (!flags.http_allow.empty()) variables.emplace_back("WASMOOR_HTTP_ALLOW", flags.http_allow);
  for (char** one = ::environ; *one != nullptr; ++one) {
    const std::string_view text = *one;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return serve::SettingsFrom(variables, std::move(defaults));
}

}  // namespace

Result<int> RunServer(const RunFlags& flags, const program::Source& source) {
  const serve::Settings settings = TRY(SettingsOf(flags));
  wasm::EngineOptions options;
  options.sharing = wasm::Sharing::kManyGuests;
  options.pool.instances = 0;  // The server has one of its own.
  options.stack_bytes = flags.stack_bytes;
  const Compiler compiler = TRY(Compiler::Create(flags.engine, std::move(options)));
  // A server runs for long: its code is worth the time that it takes to make.
  const auto policy = flags.tier == "auto" ? wasm::Cache::Policy::kOptimized : PolicyOf(flags.tier);
  const wasm::Cache::Found found = TRY(compiler.Load(source, policy));
  const auto server = TRY_AS(
      serve::Server::Create(*found.module, source.name, flags.grants, flags.limits, settings), "{}",
      source.name);
  const std::string line = flags.json ? ListeningJson(server->address())
                                      : fmt::format("wasmoor: {}: serving HTTP on {}\n",
                                                    Printable(source.name), server->address());
  fputs(line.c_str(), stderr);
  TRY(server->Run());
  return EXIT_SUCCESS;
}

}  // namespace wasmoor::cmd
