#include "jail/sysctl.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;

// namespaces(7), ipc_namespaces(7), uts_namespaces(7).
std::optional<NamespaceType> NamespaceOf(std::string_view name) {
  constexpr auto kOfIpc = std::to_array<std::string_view>(
      {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
       "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"});
  if (name.starts_with("net.")) return NamespaceType::kNetwork;
  if (name.starts_with("fs.mqueue.")) return NamespaceType::kIpc;
  if (name == "kernel.domainname" || name == "kernel.hostname") return NamespaceType::kUts;
  if (std::find(kOfIpc.begin(), kOfIpc.end(), name) != kOfIpc.end()) return NamespaceType::kIpc;
  return std::nullopt;
}

// sysctl(8): dots part the names; where a slash comes first, slashes do, and a dot is a dot.
std::string Dotted(std::string name) {
  if (name.find('/') < name.find('.')) {
    for (char& c : name) c = c == '/' ? '.' : c == '.' ? '/' : c;
  }
  return name;
}

std::string PathOf(const std::string& dotted) {
  std::string path = dotted;
  for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  return "/proc/sys/" + path;
}

}  // namespace

Status CheckSysctls(const std::map<std::string, std::string>& sysctls, const oci::Linux& config) {
  for (const auto& [name, value] : sysctls) {
    const std::string dotted = Dotted(name);
    if (dotted.find("..") != std::string::npos || dotted.starts_with('.'))
      return Fail(Code::kInvalidArgument, "linux.sysctl: '{}' is no kernel parameter", name);
    const auto type = NamespaceOf(dotted);
    if (!type)
      return Fail(Code::kInvalidArgument,
                  "linux.sysctl: '{}' is not of a container: it would change the host", name);
    const bool own = std::any_of(config.namespaces.begin(), config.namespaces.end(),
                                 [&](const oci::Namespace& one) {
                                   return one.type == *type && (one.path.empty() || !IsOurs(one));
                                 });
    if (!own)
      return Fail(Code::kInvalidArgument,
                  "linux.sysctl: '{}' needs a {} namespace in linux.namespaces: else it would "
                  "change the host",
                  name, NamespaceName(*type));
  }
  return {};
}

Status SetSysctls(const std::map<std::string, std::string>& sysctls) {
  for (const auto& [name, value] : sysctls) {
    const std::string path = PathOf(Dotted(name));
    const os::Fd file =
        TRY_AS(os::OpenAt(os::Fd(), path.c_str(), O_WRONLY), "linux.sysctl: {}", name);
    TRY_AS(os::WriteAll(file, value), "linux.sysctl: {} = {}", name, value);
  }
  return {};
}

}  // namespace wasmoor::jail
