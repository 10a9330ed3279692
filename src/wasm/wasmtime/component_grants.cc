#include "wasm/wasmtime/component_grants.h"

#include <sys/stat.h>
#include <unistd.h>

#include "wasmoor/os/file.h"

namespace wasmoor::wasm::wasmtime {
namespace {

bool HasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// A path of a directory that was granted. The engine opens preopens by path; the one in /proc leads
// to the very directory (proc_pid_fd(5)). Where there is no /proc, its name does as long as it is
// still its name.
std::string PathOf(const wasi::Preopen& preopen) {
  std::string path = fmt::format("/proc/self/fd/{}", preopen.directory.get());
  struct stat ours = {}, named = {};
  if (::access(path.c_str(), F_OK) == 0 || ::fstat(preopen.directory.get(), &ours) != 0 ||
      ::stat(preopen.host.c_str(), &named) != 0 || !os::IsSameFile(ours, named))
    return path;
  return preopen.host;
}

}  // namespace

// The engine takes C strings: what comes after a NUL would silently be lost.
Status CheckStrings(const wasi::Grants& grants) {
  for (const std::string& argument : grants.arguments) {
    if (HasNul(argument)) return Fail(Code::kInvalidArgument, "an argument has a NUL byte in it");
  }
  for (const auto& [name, value] : grants.environment) {
    if (HasNul(name) || HasNul(value)) {
      return Fail(Code::kInvalidArgument, "environment variable '{}' has a NUL byte in it",
                  name.c_str());
    }
  }
  for (const wasi::Preopen& preopen : grants.preopens) {
    if (HasNul(preopen.guest)) {
      return Fail(Code::kInvalidArgument,
                  "directory '{}': its name for the guest has a NUL byte in it", preopen.host);
    }
  }
  return {};
}

Status GrantDirectories(const wasi::Grants& grants, wasi_config_t* config) {
  for (const wasi::Preopen& preopen : grants.preopens) {
    if (!wasi_config_preopen_dir(config, PathOf(preopen).c_str(), preopen.guest.c_str(),
                                 preopen.access == wasi::Access::kReadWrite)) {
      return Fail(Code::kInvalidArgument, "directory {}: cannot be opened, or is none",
                  preopen.host);
    }
  }
  return {};
}

}  // namespace wasmoor::wasm::wasmtime
