#include "wasm/cache/directory.h"

#include "os/private_directory.h"

namespace wasmoor::wasm {

Result<os::Fd> OpenPrivateDirectory(const std::filesystem::path& path) {
  return os::OpenPrivateDirectory(path,
                                  {.what = "the cache of precompiled modules",
                                   .content = "its code",
                                   .remedy = "choose another directory with WASMOOR_CACHE_DIR"});
}

}  // namespace wasmoor::wasm
