#include "cmd/wasmoor/cache_access.h"

namespace wasmoor::cmd {

Result<std::filesystem::path> CacheDirectory(const std::string& flag) {
  if (!flag.empty()) return flag;
  if (auto directory = wasm::DefaultCacheDirectory()) return *std::move(directory);
  return Fail(Code::kNotFound,
              "no place for the cache of compiled modules: set HOME or WASMOOR_CACHE_DIR, or give "
              "--cache-dir");
}

Result<std::optional<wasm::Cache>> OpenExistingCache(const std::filesystem::path& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) {
    if (!error) return std::nullopt;
    return FailErrno(error.value(), "cache directory {}", directory.native());
  }
  wasm::CacheOptions options;
  options.directory = directory;
  wasm::Cache cache = TRY(wasm::Cache::Open(std::move(options)));
  if (!cache.problem().empty()) return Fail(Code::kFailedPrecondition, "{}", cache.problem());
  return cache;
}

}  // namespace wasmoor::cmd
