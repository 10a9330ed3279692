#pragma once

#include <filesystem>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::wasm {

// os::OpenPrivateDirectory, in the words of this cache.
Result<os::Fd> OpenPrivateDirectory(const std::filesystem::path& path);

}  // namespace wasmoor::wasm
