#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/os/output.h"
#include "wasmoor/os/pending.h"
#include "wasmoor/program/source.h"
#include "wasmoor/wasm/cache.h"

// The process that compiles, seen from the one that needs the code. (Its own side: RunCompiler.)
namespace wasmoor::container {

// kUnavailable: nothing can be kept there.
Result<wasm::Cache> OpenCache(const std::filesystem::path& directory);

// Compiles `source` into `cache`, for engines of this `sharing`. What it borrows is `source`.
Result<std::unique_ptr<os::Pending<os::Output>>> StartCompiler(const WasmOptions& options,
                                                               const wasm::Cache& cache,
                                                               wasm::Sharing sharing,
                                                               const program::Source& source);

// What it said when it ended: the cache's warning, or its error. kUnavailable: the code could not
// be kept.
Result<std::string> ReadAnswer(const WasmOptions& options, const program::Source& source,
                               const os::Output& output);

// Makes the optimized code of what runs on baseline code, with nobody waiting for it. Failing costs
// the next start some speed and nothing else.
void OptimizeInBackground(const WasmOptions& options, const wasm::Cache& cache,
                          wasm::Sharing sharing, const program::Source& source);

}  // namespace wasmoor::container
