#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/line/options.h"
#include "wasmoor/base/result.h"
#include "wasmoor/wasi/grants.h"
#include "wasmoor/wasm/engine.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::cmd {

// What every command that compiles takes: the engine, its features, the cache.
struct EngineFlags {
  std::string engine;
  std::vector<std::string> enable, disable;
  std::string cache_directory;
  bool no_cache = false;

  // What Check makes of them.
  wasm::EngineFactory factory = {};
  wasm::Features features;

  void Configure(Options& options);
  Status Check();
};

// The text of the options of `run`, as they stand on the command line.
struct RunFlags {
  EngineFlags engine;
  std::vector<std::string> directories, environment, listeners;
  std::string http_listen, http_allow;  // Of a component that serves.
  std::string invoke, max_memory_text, max_stack_text, timeout_text, tier = "auto";
  bool stats = false, json = false;

  // What Check makes of them.
  wasm::Limits limits;
  uint64_t stack_bytes = 0;
  std::optional<std::chrono::nanoseconds> timeout;
  wasi::Grants grants;  // Without arguments and standard streams.

  void Configure(Options& options);
  Status Check();
};

// HOST[::GUEST][:ro]
struct DirectoryFlag {
  std::string host, guest;
  wasi::Access access = wasi::Access::kReadWrite;
};
Result<DirectoryFlag> ParseDirectory(std::string_view text);

// NAME=VALUE, or NAME for the value it has here.
Result<std::pair<std::string, std::string>> ParseVariable(const std::string& text);

}  // namespace wasmoor::cmd
