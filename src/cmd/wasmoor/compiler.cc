#include "cmd/wasmoor/compiler.h"

#include <fcntl.h>

#include <csignal>
#include <cstdio>

#include "cmd/engines.h"
#include "cmd/line/text.h"
#include "cmd/wasmoor/cache_access.h"
#include "cmd/wasmoor/progress.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"

namespace wasmoor::cmd {

wasm::Cache::Policy PolicyOf(std::string_view tier) {
  return tier == "optimized" ? wasm::Cache::Policy::kOptimized : wasm::Cache::Policy::kFastest;
}

Result<wasm::Cache> OpenCache(const EngineFlags& flags) {
  wasm::CacheOptions options;
  options.directory = TRY(CacheDirectory(flags.cache_directory));
  options.before_compile = ShowProgress;
  return wasm::Cache::Open(std::move(options));
}

Result<Compiler> Compiler::Create(const EngineFlags& flags, wasm::EngineOptions options) {
  options.features = flags.features;
  std::unique_ptr<wasm::Engine> engine = TRY(flags.factory.create(options));
  std::optional<wasm::Cache> cache;
  if (!flags.no_cache) {
    auto opened = OpenCache(flags);
    if (opened) {
      cache = *std::move(opened);
    } else if (!flags.cache_directory.empty()) {
      return tl::unexpected(std::move(opened).error());
    } else {
      fprintf(stderr, "wasmoor: warning: compiling without a cache: %s\n",
              Printable(opened.error().message()).c_str());
    }
  }
  return Compiler(flags, std::move(engine), std::move(cache));
}

Result<wasm::Cache::Found> Compiler::Load(const program::Source& source,
                                          wasm::Cache::Policy policy) const {
  auto found = program::Load(*engine_, source, {cache(), policy});
  HideProgress();
  if (found && !found->warning.empty())
    fprintf(stderr, "wasmoor: warning: %s\n", Printable(found->warning).c_str());
  return found;
}

void Compiler::OptimizeInBackground(const program::Source& source) const {
  std::vector<std::string> arguments = {"wasmoor", "compile", "--background"};
  if (!flags_.engine.empty()) arguments.insert(arguments.end(), {"--engine", flags_.engine});
  for (const std::string& name : flags_.enable)
    arguments.insert(arguments.end(), {"--enable", name});
  for (const std::string& name : flags_.disable)
    arguments.insert(arguments.end(), {"--disable", name});
  arguments.insert(arguments.end(), {"--cache-dir", cache_->options().directory.string(), "-"});
  // Failing costs the next run some speed and nothing else.
  const auto again = os::OpenAt(
      os::Fd(), fmt::format("/proc/self/fd/{}", source.file.get()).c_str(), O_RDONLY | O_CLOEXEC);
  if (!again) return;
  // It may end long before this process does, and nobody here waits for it (wait(2) on zombies).
  ::signal(SIGCHLD, SIG_IGN);
  (void)os::SpawnSelfDetached(arguments, *again);
}

}  // namespace wasmoor::cmd
