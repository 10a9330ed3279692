#pragma once

#include <span>
#include <string>
#include <vector>

#include "wasmoor/wasm/engine.h"

namespace wasmoor::wasm {

// An import that nothing provides, and why.
struct MissingImport {
  Extern import;
  std::string reason;  // "no such function", "the host's has the type (i32) -> i32"
};

// The imports of a core module that `host` (null: nothing) does not provide.
std::vector<MissingImport> MissingImports(std::span<const Extern> imports,
                                          const hostcall::Table* host);

// What a component is given: WASI 0.2, and wasi:http besides if it serves.
enum class World : uint8_t { kCommand, kHttp };

// The imports of a component that are no part of that. Which functions of an interface there are,
// only its engine can tell, when it links it.
std::vector<MissingImport> MissingInterfaces(std::span<const Extern> imports,
                                             World world = World::kCommand);

// What a module that imports from `module` was built for and what would provide it: a sentence,
// empty if unknown.
std::string WhatProvides(std::string_view module, std::string_view name);

// A sentence that names the missing imports and what would provide them: the first few if they are
// many, and of each name so much that a module cannot fill a log with it. At least one is missing.
std::string DescribeMissing(std::span<const MissingImport> missing);

// "it exports a, b and 7 more", under the same rules.
std::string DescribeExports(std::span<const Extern> exports);

}  // namespace wasmoor::wasm
