#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "wasmoor/wasm/cache.h"

namespace wasmoor::cmd {

// Where the compiled modules are: `flag` if it is not empty, else the default. kNotFound if there
// is no place for them.
Result<std::filesystem::path> CacheDirectory(const std::string& flag);

// The cache there, for who only looks: nothing if the folder does not exist, which this does not
// make. An Error if it cannot be used.
Result<std::optional<wasm::Cache>> OpenExistingCache(const std::filesystem::path& directory);

}  // namespace wasmoor::cmd
