#include "host/pod_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "wasmoor/os/file.h"

namespace wasmoor::host {
namespace {

constexpr size_t kMostText = 64;
// v1 says "no limit" by the largest number of whole pages.
constexpr uint64_t kNoLimit = uint64_t{1} << 62;

std::optional<uint64_t> ReadLimit(const std::string& path) {
  const auto file = os::OpenAt(os::Fd(), path.c_str(), O_RDONLY);
  const auto bytes = file ? os::ReadAll(*file, kMostText) : tl::unexpected(file.error());
  if (!bytes) return std::nullopt;
  const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  uint64_t limit = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (failed != std::errc() || limit >= kNoLimit) return std::nullopt;
  return limit;
}

}  // namespace

std::optional<uint64_t> MemoryLimitOfPod(const cgroup::Root& root,
                                         const std::string& cgroups_path) {
  const std::filesystem::path pod = std::filesystem::path(cgroups_path).parent_path();
  if (!cgroups_path.starts_with('/') || pod == "/") return std::nullopt;
  for (const cgroup::Hierarchy& one : root.hierarchies()) {
    const auto& names = one.controllers;
    const bool is_v2 = one.version == 2;
    if (!is_v2 && std::find(names.begin(), names.end(), "memory") == names.end()) continue;
    if (auto limit = ReadLimit(one.mount_point + pod.native() +
                               (is_v2 ? "/memory.max" : "/memory.limit_in_bytes")))
      return limit;
  }
  return std::nullopt;
}

}  // namespace wasmoor::host
