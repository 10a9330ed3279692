#include "cmd/functions/function_server.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "cmd/engines.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/program/compiler.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::cmd {
namespace {

// Lines of many threads, each whole.
class Lines {
 public:
  explicit Lines(int descriptor) : descriptor_(descriptor) {}
  void Write(std::string_view text) {
    const std::lock_guard lock(mutex_);
    while (!text.empty()) {
      const ssize_t size = ::write(descriptor_, text.data(), text.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return;  // If nobody reads it, nobody minds.
      text.remove_prefix(static_cast<size_t>(size));
    }
  }

 private:
  const int descriptor_;
  std::mutex mutex_;
};

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
  wasm::EngineOptions engine_options;
  engine_options.sharing = wasm::Sharing::kManyGuests;
  engine_options.features = options.features;
  engine_options.serves = true;
  // How long a guest can keep others waiting before it is looked at.
  engine_options.tick = std::chrono::milliseconds(1);
  engine_options.tick_at_once = true;
  // Each may have a thread of its own, and each loop has one that runs.
  constexpr uint32_t kMostLoops = 256;
  engine_options.pool.instances = settings.guests + kMostLoops;
  engine_options.host = host.table;
  const std::unique_ptr<wasm::Engine> engine = TRY(options.engine.create(engine_options));
  Lines errors(STDERR_FILENO), output(STDOUT_FILENO);
  function::ServerParts parts{
      .engine = *engine,
      .cache = cache,
      .host = host,
      .compiler = {.words = {std::string(options.who), std::string(kFunctionCompilerWord)},
                   .features = options.features},
      .stack_bytes = engine_options.stack_bytes,
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
