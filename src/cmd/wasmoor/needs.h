#pragma once

#include <string>
#include <vector>

#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasm/binary.h"
#include "wasmoor/wasm/imports.h"

namespace wasmoor::cmd {

// A sentence about what a program may do, and the option that lets it.
struct Grant {
  std::string option;  // "--dir HOST[::GUEST]"
  std::string reason;  // "it may open files"
};

// What a module is for and what it takes to run it here, as its outline tells.
struct Needs {
  std::string wasi;                       // "0.1", "0.2" …, "none"
  std::string world;                      // "command", "reactor", "proxy" (of HTTP) or "library"
  std::vector<std::string> features;      // That it uses, by name.
  std::vector<std::string> features_off;  // Of those, what has to be enabled.
  std::vector<Grant> grants;
  std::vector<wasm::MissingImport> missing;  // What nothing here provides.
  std::vector<std::string> providers;        // What would provide them, a sentence each.
  uint64_t memory_bytes = 0;                 // Of all memories, before any of them grows.

  bool can_run() const { return missing.empty(); }
};

Needs NeedsOf(const wasm::Outline& outline, const hostcall::Table& host);

}  // namespace wasmoor::cmd
