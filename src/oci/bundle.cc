#include "wasmoor/oci/bundle.h"

#include <fcntl.h>

#include <climits>
#include <cstdlib>
#include <memory>

#include "wasmoor/os/file.h"

namespace wasmoor::oci {
namespace {

constexpr const char* kConfig = "config.json";

}  // namespace

Result<Bundle> Bundle::Open(const std::string& path) {
  // Resolved once: the state tells others an absolute path, and a later one would be another
  // directory.
  const std::unique_ptr<char, void (*)(void*)> resolved(realpath(path.c_str(), nullptr), free);
  if (resolved == nullptr) return FailErrno(errno, "bundle {}", path);
  Bundle bundle;
  bundle.path = resolved.get();
  bundle.directory =
      TRY_AS(os::OpenAt(os::Fd(), bundle.path.c_str(), O_PATH | O_DIRECTORY), "bundle");
  const os::Fd file =
      TRY_AS(os::OpenAt(bundle.directory, kConfig, O_RDONLY | O_NONBLOCK | O_NOCTTY), "bundle {}",
             bundle.path);
  const auto bytes =
      TRY_AS(os::ReadAll(file, kMaxSpecBytes), "bundle {}: {}", bundle.path, kConfig);
  bundle.config.assign(bytes.begin(), bytes.end());
  bundle.spec = TRY_AS(ParseSpec(bundle.config), "bundle {}: {}", bundle.path, kConfig);
  return bundle;
}

}  // namespace wasmoor::oci
