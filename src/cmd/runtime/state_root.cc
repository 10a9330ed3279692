#include "cmd/runtime/state_root.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kSystemRoot = "/run/wasmoor";
constexpr std::string_view kFolder = "/wasmoor";

// The map of the first user namespace has one line, of all ids: "0 0 4294967295".
bool MapsEverything(std::string_view map) {
  for (uint64_t expected : {uint64_t{0}, uint64_t{0}, uint64_t{4294967295}}) {
    map.remove_prefix(std::min(map.find_first_not_of(' '), map.size()));
    uint64_t number = 0;
    const auto [stop, error] = std::from_chars(map.data(), map.data() + map.size(), number);
    if (error != std::errc() || number != expected) return false;
    map.remove_prefix(static_cast<size_t>(stop - map.data()));
  }
  return true;
}

std::string ReadMap() {
  constexpr uint64_t kMostBytes = 64 << 10;
  const auto file = os::OpenAt(os::Fd(AT_FDCWD), "/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  if (!file) return {};
  const auto bytes = os::ReadAll(*file, kMostBytes);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

}  // namespace

Caller Caller::Now() {
  Caller caller;
  caller.is_root = ::geteuid() == 0;
  if (const char* directory = std::getenv("XDG_RUNTIME_DIR")) caller.runtime_directory = directory;
  // Nothing depends on it for others.
  if (caller.is_root && !caller.runtime_directory.empty()) caller.uid_map = ReadMap();
  return caller;
}

bool IsRootless(const Caller& caller) {
  if (!caller.is_root) return true;
  return !caller.uid_map.empty() && !MapsEverything(caller.uid_map);
}

Result<std::string> DefaultStateRoot(const Caller& caller, std::string_view rootless) {
  const bool is_rootless = rootless == "auto" ? IsRootless(caller) : rootless == "true";
  if (!is_rootless) return std::string(kSystemRoot);
  if (caller.runtime_directory.empty())
    return Fail(Code::kFailedPrecondition,
                "there is no place for what is kept of containers: set XDG_RUNTIME_DIR, or give a "
                "directory with --root");
  return caller.runtime_directory + std::string(kFolder);
}

}  // namespace wasmoor::cmd
