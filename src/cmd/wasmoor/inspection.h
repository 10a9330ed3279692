#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cmd/wasmoor/needs.h"
#include "wasmoor/wasm/binary.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::cmd {

// What is known of one file.
struct Inspection {
  std::string file;
  bool is_text = false;
  uint64_t bytes = 0;
  std::string sha256;  // Of the file as it is; its name in the cache.
  wasm::Outline outline;
  Needs needs;

  struct Cached {
    wasm::Cache::Entry entry;
    bool usable = false;  // By this wasmoor, as it runs without options.
  };
  std::vector<Cached> cached;
  std::string cache_problem;  // Why nobody knows; empty if `cached` is all there is.
};

// Whole lines. Names from the file are made printable.
std::string InspectionText(const Inspection& inspection);
std::string InspectionJson(const Inspection& inspection);  // One line.

}  // namespace wasmoor::cmd
