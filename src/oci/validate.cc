#include <algorithm>
#include <charconv>
#include <set>

#include "oci/parts.h"

namespace wasmoor::oci {
namespace {

template <typename... Args>
tl::unexpected<Error> Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Fail(Code::kInvalidArgument, "{}", fmt::format(format, std::forward<Args>(args)...));
}

bool IsAbsolute(std::string_view path) { return path.starts_with('/'); }

bool Has(const Spec& spec, NamespaceType type) {
  return std::any_of(spec.on_linux.namespaces.begin(), spec.on_linux.namespaces.end(),
                     [&](const Namespace& one) { return one.type == type; });
}

// config.md, "Specification version": SemVer; what has the same major number is understood.
Status ValidateVersion(std::string_view version) {
  if (version.empty()) return Invalid("ociVersion: is missing");
  int major = 0;
  const auto [stop, error] =
      std::from_chars(version.data(), version.data() + version.size(), major);
  if (error != std::errc() || stop == version.data() + version.size() || *stop != '.')
    return Invalid("ociVersion: must be a version such as 1.2.0, is '{}'", version);
  if (major != 1) return Invalid("ociVersion: '{}' is not supported; 1.0.0 to 1.2.x are", version);
  return {};
}

Status ValidateHooks(const std::vector<Hook>& hooks, std::string_view name) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    if (!IsAbsolute(hooks[i].path))
      return Invalid("hooks.{}[{}].path: must be absolute, is '{}'", name, i, hooks[i].path);
    if (hooks[i].timeout && *hooks[i].timeout <= 0)
      return Invalid("hooks.{}[{}].timeout: must be greater than 0, is {}", name, i,
                     *hooks[i].timeout);
  }
  return {};
}

Status ValidateAllHooks(const Hooks& hooks) {
  TRY(ValidateHooks(hooks.prestart, "prestart"));
  TRY(ValidateHooks(hooks.create_runtime, "createRuntime"));
  TRY(ValidateHooks(hooks.create_container, "createContainer"));
  TRY(ValidateHooks(hooks.start_container, "startContainer"));
  TRY(ValidateHooks(hooks.poststart, "poststart"));
  return ValidateHooks(hooks.poststop, "poststop");
}

Status ValidateNamespaces(const Linux& on_linux) {
  std::set<NamespaceType> seen;
  for (size_t i = 0; i < on_linux.namespaces.size(); ++i) {
    const Namespace& one = on_linux.namespaces[i];
    if (!seen.insert(one.type).second)
      return Invalid("linux.namespaces[{}]: '{}' stands there twice", i, NamespaceName(one.type));
    if (!one.path.empty() && !IsAbsolute(one.path))
      return Invalid("linux.namespaces[{}].path: must be absolute, is '{}'", i, one.path);
  }
  return {};
}

Status ValidateMappings(const std::vector<IdMapping>& mappings, std::string_view path) {
  constexpr uint64_t kIds = uint64_t{1} << 32;
  for (size_t i = 0; i < mappings.size(); ++i) {
    const IdMapping& one = mappings[i];
    if (one.size == 0) return Invalid("{}[{}].size: must be greater than 0", path, i);
    if (uint64_t{one.container_id} + one.size > kIds || uint64_t{one.host_id} + one.size > kIds)
      return Invalid("{}[{}]: reaches beyond the largest id", path, i);
  }
  return {};
}

Status ValidateUserNamespace(const Spec& spec) {
  TRY(ValidateMappings(spec.on_linux.uid_mappings, "linux.uidMappings"));
  TRY(ValidateMappings(spec.on_linux.gid_mappings, "linux.gidMappings"));
  const bool mapped = !spec.on_linux.uid_mappings.empty() || !spec.on_linux.gid_mappings.empty();
  if (mapped && !Has(spec, NamespaceType::kUser))
    return Invalid("linux.uidMappings: needs a user namespace in linux.namespaces");
  return {};
}

Status ValidatePaths(const std::vector<std::string>& paths, std::string_view name) {
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!IsAbsolute(paths[i]))
      return Invalid("linux.{}[{}]: must be absolute, is '{}'", name, i, paths[i]);
  }
  return {};
}

Status ValidateMounts(const std::vector<Mount>& mounts) {
  for (size_t i = 0; i < mounts.size(); ++i) {
    const std::string path = fmt::format("mounts[{}]", i);
    if (mounts[i].destination.empty()) return Invalid("{}.destination: is missing", path);
    TRY(ValidateMappings(mounts[i].uid_mappings, path + ".uidMappings"));
    TRY(ValidateMappings(mounts[i].gid_mappings, path + ".gidMappings"));
    if (mounts[i].uid_mappings.empty() != mounts[i].gid_mappings.empty())
      return Invalid("{}: uidMappings and gidMappings must both be there or neither", path);
  }
  return {};
}

Status ValidatePropagation(const std::string& propagation) {
  const std::set<std::string_view> known = {"",        "private",    "rprivate",
                                            "slave",   "rslave",     "shared",
                                            "rshared", "unbindable", "runbindable"};
  if (known.contains(propagation)) return {};
  return Invalid("linux.rootfsPropagation: '{}' is unknown", propagation);
}

Status ValidateLinux(const Spec& spec) {
  TRY(ValidateNamespaces(spec.on_linux));
  TRY(ValidateUserNamespace(spec));
  TRY(ValidatePaths(spec.on_linux.masked_paths, "maskedPaths"));
  TRY(ValidatePaths(spec.on_linux.readonly_paths, "readonlyPaths"));
  TRY(ValidatePropagation(spec.on_linux.rootfs_propagation));
  for (size_t i = 0; i < spec.on_linux.devices.size(); ++i) {
    if (!IsAbsolute(spec.on_linux.devices[i].path))
      return Invalid("linux.devices[{}].path: must be absolute, is '{}'", i,
                     spec.on_linux.devices[i].path);
  }
  if (!spec.on_linux.time_offsets.empty() && !Has(spec, NamespaceType::kTime))
    return Invalid("linux.timeOffsets: needs a time namespace in linux.namespaces");
  for (const auto& [clock, offset] : spec.on_linux.time_offsets) {
    if (clock != "monotonic" && clock != "boottime")
      return Invalid("linux.timeOffsets: '{}' is no clock; monotonic and boottime are", clock);
  }
  return {};
}

}  // namespace

Status Validate(const Process& process, const std::string& path) {
  const std::string dot = path.empty() ? "" : path + ".";
  if (!IsAbsolute(process.cwd))
    return Invalid("{}cwd: must be absolute, is '{}'", dot, process.cwd);
  if (process.args.empty()) return Invalid("{}args: must have at least one entry", dot);
  std::set<std::string_view> limits;
  for (const Rlimit& limit : process.rlimits) {
    if (!limits.insert(limit.type).second)
      return Invalid("{}rlimits: {} stands there twice", dot, limit.type);
    if (limit.soft > limit.hard)
      return Invalid("{}rlimits: the soft limit of {} is above its hard one", dot, limit.type);
  }
  return {};
}

Status Validate(const Spec& spec) {
  TRY(ValidateVersion(spec.oci_version));
  if (!spec.root || spec.root->path.empty()) return Invalid("root.path: is missing");
  if (spec.process) TRY(Validate(*spec.process, "process"));
  TRY(ValidateMounts(spec.mounts));
  TRY(ValidateAllHooks(spec.hooks));
  TRY(ValidateLinux(spec));
  if (!spec.hostname.empty() && !Has(spec, NamespaceType::kUts))
    return Invalid("hostname: needs a uts namespace in linux.namespaces");
  if (!spec.domainname.empty() && !Has(spec, NamespaceType::kUts))
    return Invalid("domainname: needs a uts namespace in linux.namespaces");
  return {};
}

}  // namespace wasmoor::oci
