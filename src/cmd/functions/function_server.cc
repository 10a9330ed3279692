#include "cmd/functions/function_server.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "cmd/engines.h"
#include "cmd/functions/lines.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/function/worker/worker.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::cmd {
namespace {

std::string WithName(std::string_view who, std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines += fmt::format("{}: {}\n", who, text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace

int RunFunctionCompiler(std::span<char* const> words) {
  return program::RunCompiler(Engines().front(), words);
}

int RunFunctionWorker() { return function::RunWorker(Engines().front()); }

Result<int> ServeFunctions(const FunctionServerOptions& options) {
  const function::ServerSettings& settings = options.settings;
  std::optional<std::filesystem::path> directory = wasm::DefaultCacheDirectory();
  if (!options.cache_directory.empty()) directory = options.cache_directory;
  if (!directory) {
    return Fail(Code::kFailedPrecondition,
                "compiled functions are kept in a cache, and there is no folder for one: name one "
                "with --cache-dir or WASMOOR_CACHE_DIR");
  }
  const wasm::Cache cache = TRY(program::OpenCache(*directory));
  const program::Host host = program::NewHost();
  const wasm::EngineOptions engine_options =
      function::FunctionEngineOptions(options.features, settings.guests, host.table);
  const std::unique_ptr<wasm::Engine> engine = TRY(options.engine.create(engine_options));
  Lines errors(STDERR_FILENO), output(STDOUT_FILENO);
  function::ServerParts parts{
      .engine = *engine,
      .cache = cache,
      .host = host,
      .compiler = {.words = {std::string(options.who), std::string(kFunctionCompilerWord)},
                   .features = options.features},
      .stack_bytes = engine_options.stack_bytes,
      .workers = function::WorkersOf({std::string(options.who), std::string(kFunctionWorkerWord)},
                                     options.features),
      .traces = telemetry::ReadOtlpEnvironment(
          options.who, [](const char* name) -> const char* { return ::getenv(name); },
          [&](std::string_view line) {
            errors.Write(WithName(options.who, std::string(line) + "\n"));
          }),
      .say = [&](std::string_view text) { errors.Write(WithName(options.who, text)); },
      .report = [&](std::string_view, std::string_view line) { output.Write(line); }};
  const auto server = TRY(function::Server::Create(settings, std::move(parts)));
  std::string text;
  for (const std::string& address : server->addresses())
    text += fmt::format("serving {} on {}\n", Printable(settings.functions), address);
  errors.Write(WithName(options.who, text + server->Description()));
  TRY(server->Run());
  return EXIT_SUCCESS;
}

}  // namespace wasmoor::cmd
