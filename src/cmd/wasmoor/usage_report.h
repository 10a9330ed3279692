#pragma once

#include <chrono>

#include "wasmoor/wasm/cache.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::cmd {

// The statistics of a finished run, on standard error: a table for people, or one line of JSON.
void ReportUsage(bool json, std::chrono::nanoseconds wall, const wasm::Cache::Found& found,
                 const wasm::Usage& usage);

}  // namespace wasmoor::cmd
