#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/output.h"
#include "wasmoor/os/pending.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasm/cache.h"

// Compiling by a process of its own, for those who may have no threads, or must not be at the mercy
// of a hostile module: it is this very executable, started as a compiler, with limits and without
// rights, and leaves the code in the cache.
namespace wasmoor::program {

struct CompilerOptions {
  // The words that start this executable as a compiler: [0] is the name it goes by, and what
  // follows them is for RunCompiler, which it must call then.
  std::vector<std::string> words;
  // What a compiler may have in address space: a module is hostile, and compiled outside of its
  // guest's limits.
  uint64_t bytes = uint64_t{4} << 30;
  wasm::Features features;  // Of the engine that the code is for.
};

// kUnavailable: nothing can be kept there.
Result<wasm::Cache> OpenCache(const std::filesystem::path& directory);

enum class CompilerWork : uint8_t {
  kAtOnce,     // The code that is there soonest (Cache::Policy::kFastest): somebody waits for it.
  kAhead,      // The same where nobody waits: it gives way to others.
  kOptimized,  // The optimized code, which nobody waits for either.
};

// Compiles `source` into `cache`, for engines of this `sharing`. Borrows nothing. The process ends
// with what is returned, and with the thread that called.
Result<std::unique_ptr<os::Pending<os::Output>>> StartCompiler(const CompilerOptions& options,
                                                               const wasm::Cache& cache,
                                                               wasm::Sharing sharing,
                                                               CompilerWork work,
                                                               const Source& source);

// What it said when it ended: the cache's warning, or its error, which names the source.
// kUnavailable: the code could not be kept. kOk of kOptimized: it is there, or somebody else is at
// it.
Result<std::string> ReadAnswer(const CompilerOptions& options, std::string_view source,
                               const os::Output& output);

// Makes the optimized code of what runs on baseline code by a process that outlives this one, with
// nobody waiting for it. Failing costs the next start some speed and nothing else.
void OptimizeInBackground(const CompilerOptions& options, const wasm::Cache& cache,
                          wasm::Sharing sharing, const Source& source);

// The compiler's side of CompilerOptions::words: what this process returns as its exit status. It
// reads the module from standard input and says on standard output how it went.
int RunCompiler(const wasm::EngineFactory& engine, std::span<char* const> words);

}  // namespace wasmoor::program
