#include <cerrno>

#include "jail/rootfs/mount.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

Status MapIds(const oci::Spec& spec, const oci::Mount& mount, const MountOptions& options,
              const os::Fd& tree, const UserNamespaceMaker& make_user_namespace) {
  const bool own = !mount.uid_mappings.empty();
  const auto& uids = own ? mount.uid_mappings : spec.on_linux.uid_mappings;
  const auto& gids = own ? mount.gid_mappings : spec.on_linux.gid_mappings;
  if (uids.empty() || gids.empty())
    return Fail(Code::kInvalidArgument,
                "options: idmap needs uidMappings and gidMappings, of the mount or the container");
  const os::Fd user_namespace = TRY(make_user_namespace(uids, gids));
  TRY_AS(os::SetMountIds(
             tree, user_namespace,
             options.id_map == IdMap::kTree ? os::Depth::kWholeTree : os::Depth::kThisMount),
         "idmap of {} (its filesystem may not have idmapped mounts)", mount.source);
  return {};
}

// None for whoever may not mount here, a user who makes a user namespace to be root in: the child
// has that right, and the same ways to its sources as its maker. None as well where there is no
// open_tree(2): nothing else can be mounted in the child's namespace than what it opens there.
Result<os::Fd> CloneIfAllowed(const os::Fd& directory, const char* path, os::Depth depth) {
  auto clone = os::CloneMount(directory, path, depth);
  if (!clone && (clone.error().error_number() == EPERM || clone.error().error_number() == ENOSYS))
    return os::Fd();
  return clone;
}

}  // namespace

Result<MountSources> OpenMountSources(const oci::Spec& spec, const os::Fd& bundle,
                                      const std::string& rootfs, bool new_user_namespace,
                                      const UserNamespaceMaker& make_user_namespace) {
  MountSources sources;
  sources.mounts.resize(spec.mounts.size());
  if (new_user_namespace)
    sources.root = TRY_AS(CloneIfAllowed(bundle, rootfs.c_str(), os::Depth::kWholeTree),
                          "root.path: {}", rootfs);
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    const oci::Mount& mount = spec.mounts[i];
    const MountOptions options = ParseMountOptions(mount.options);
    const bool bind = options.bind || mount.type == "bind";
    const bool mapped = options.id_map != IdMap::kNone || !mount.uid_mappings.empty();
    if (mapped && !bind)
      return Fail(Code::kUnimplemented, "{}: only bind mounts can be idmapped",
                  MountName(i, mount));
    if (options.remount || !bind || (!mapped && !new_user_namespace)) continue;
    sources.mounts[i] =
        TRY_AS(CloneIfAllowed(bundle, mount.source.c_str(),
                              options.bind_tree ? os::Depth::kWholeTree : os::Depth::kThisMount),
               "{}: source {}", MountName(i, mount), mount.source);
    if (mapped && !sources.mounts[i].valid())
      return Fail(Code::kPermissionDenied,
                  "{}: only root can make idmapped mounts, and only with open_tree(2) and "
                  "mount_setattr(2) (Linux 5.12, and no seccomp filter that forbids them)",
                  MountName(i, mount));
    if (mapped)
      TRY_AS(MapIds(spec, mount, options, sources.mounts[i], make_user_namespace), "{}",
             MountName(i, mount));
  }
  return sources;
}

Result<os::BindSource> OpenSource(const os::Fd& directory, const std::string& path,
                                  os::Depth depth) {
  auto opened = os::OpenBindSource(directory, path.c_str(), depth);
  // Or OpenMountSources would have opened it.
  if (opened || opened.error().error_number() != EACCES) return opened;
  return tl::unexpected(std::move(opened).error().WithContext(
      "the container's root has no way to it; to open it with the host's rights needs open_tree(2) "
      "(Linux 5.2), and the right to mount"));
}

}  // namespace wasmoor::jail
