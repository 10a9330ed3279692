#include "cgroup/control_file.h"
#include "cgroup/scope.h"

namespace wasmoor::cgroup {
namespace {

constexpr std::string_view kSliceSuffix = ".slice";
constexpr std::string_view kScopeSuffix = ".scope";
constexpr size_t kMaxUnitName = 255;  // systemd.unit(5)

bool IsUnitName(std::string_view name) {
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && std::string_view(":_.-\\").find(c) == std::string_view::npos) return false;
  }
  return !name.empty() && name.size() <= kMaxUnitName;
}

// Each '-' in the name of a slice is a step down (systemd.slice(5)).
bool IsSliceName(std::string_view slice) {
  if (!slice.ends_with(kSliceSuffix)) return false;
  if (slice == "-.slice") return true;
  slice.remove_suffix(kSliceSuffix.size());
  return !slice.empty() && !slice.starts_with('-') && !slice.ends_with('-') &&
         slice.find("--") == slice.npos;
}

}  // namespace

Result<ScopeName> ParseScopeName(std::string_view path, Manager manager) {
  const auto refuse = [&](std::string_view why) {
    return Fail(Code::kInvalidArgument, "linux.cgroupsPath: '{}' {}", path, why);
  };
  std::string_view rest = path;
  const std::string_view slice = TakeUntil(&rest, ':');
  const std::string_view prefix = TakeUntil(&rest, ':');
  if (rest.empty() || rest.find(':') != rest.npos || path.find('/') != path.npos)
    return refuse("must be slice:prefix:name for the systemd cgroup driver");
  ScopeName name;
  name.manager = manager;
  name.slice = slice;
  if (slice.empty()) name.slice = manager == Manager::kUser ? "user.slice" : "system.slice";
  if (!IsUnitName(name.slice) || !IsSliceName(name.slice))
    return refuse("has no name of a slice, such as machine-web.slice, before its first colon");
  name.unit = prefix;
  if (!prefix.empty()) name.unit += '-';
  name.unit.append(rest).append(kScopeSuffix);
  if (!IsUnitName(name.unit)) {
    return refuse(
        "has characters that no unit of systemd has, or too many: letters, digits and _ . - only");
  }
  return name;
}

std::string ScopePath(const ScopeName& name) {
  std::string path;
  const std::string_view steps =
      std::string_view(name.slice).substr(0, name.slice.size() - kSliceSuffix.size());
  if (steps != "-") {
    for (size_t at = 0; at != steps.npos;) {
      at = steps.find('-', at + 1);
      path.append("/").append(steps.substr(0, at)).append(kSliceSuffix);
    }
  }
  return path + "/" + name.unit;
}

}  // namespace wasmoor::cgroup
