#pragma once

#include <span>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/function/server.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::cmd {

// The word after the executable's name by which a server starts itself as a compiler, and what it
// does then. Before anything else in main.
constexpr std::string_view kFunctionCompilerWord = "compile-function";
int RunFunctionCompiler(std::span<char* const> words);
// The same as one that runs functions (function/worker/worker.h).
constexpr std::string_view kFunctionWorkerWord = "run-functions";
int RunFunctionWorker();

struct FunctionServerOptions {
  function::ServerSettings settings;
  wasm::EngineFactory engine;
  wasm::Features features;
  std::string cache_directory;  // Empty: the usual one.
  std::string_view who;         // What messages begin with.
};

// Serves functions until it is told to end: `wasmoor serve` and wasmbox, which differ in how they
// come to their settings. Returns the exit status.
Result<int> ServeFunctions(const FunctionServerOptions& options);

}  // namespace wasmoor::cmd
