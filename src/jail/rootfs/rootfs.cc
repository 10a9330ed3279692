#include "jail/rootfs/rootfs.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "jail/rootfs/device.h"
#include "jail/rootfs/hidden_paths.h"
#include "jail/rootfs/mount_filesystem.h"
#include "jail/rootfs/mount_target.h"
#include "wasmoor/os/features.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

// linux.rootfsPropagation without its "r".
unsigned long PropagationType(std::string_view name) {
  if (name.ends_with("shared")) return MS_SHARED;
  if (name.ends_with("slave")) return MS_SLAVE;
  if (name.ends_with("private")) return MS_PRIVATE;
  return name.ends_with("unbindable") ? MS_UNBINDABLE : 0;
}

// The mount that `file` lies on becomes private: what is mounted there shows nowhere else. Only the
// top of a mount can be told so, which is looked for upwards.
Status MakePrivate(const os::Fd& file) {
  os::Fd here = TRY(os::OpenAt(file, ".", O_PATH | O_DIRECTORY));
  while (!TRY(os::IsMountRoot(here))) here = TRY(os::OpenAt(here, "..", O_PATH | O_DIRECTORY));
  return os::SetMountAttributes(here, {.propagation = MS_PRIVATE}, os::Depth::kThisMount);
}

bool BindsDev(const oci::Spec& spec) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    return CleanPath(mount.destination) == "/dev" &&
           (mount.type == "bind" || ParseMountOptions(mount.options).bind);
  });
}

}  // namespace

Result<Rootfs> Rootfs::Build(RootfsPlan plan) {
  Rootfs rootfs(std::move(plan));
  TRY_AS(rootfs.IsolatePropagation(), "linux.rootfsPropagation");
  TRY_AS(rootfs.MountRoot(), "root.path: {}", rootfs.plan_.path);
  TRY(rootfs.MakeMounts());
  const oci::Spec& spec = rootfs.plan_.spec;
  if (!BindsDev(spec)) {
    const DeviceMethod method =
        rootfs.plan_.user_namespace ? DeviceMethod::kBind : DeviceMethod::kMake;
    TRY(MakeDevices(rootfs.root_, spec.on_linux.devices, method));
  }
  return rootfs;
}

// A root that is shared must leave the host's mounts as they are, so that volumes stay their peers
// ("bidirectional" mounts of Kubernetes); otherwise nothing here may ever show on the host.
Status Rootfs::IsolatePropagation() {
  const unsigned long type = PropagationType(plan_.spec.on_linux.rootfs_propagation);
  if (type == MS_SHARED) return {};
  const bool slave = type == 0 || type == MS_SLAVE;
  return os::SetPropagation("/", slave ? MS_SLAVE : MS_PRIVATE, os::Depth::kWholeTree);
}

Status Rootfs::MountRoot() {
  const bool shared = PropagationType(plan_.spec.on_linux.rootfs_propagation) == MS_SHARED;
  os::BindSource source{std::move(plan_.sources.root), os::Depth::kWholeTree};
  if (!source.file.valid())
    source = TRY(OpenSource(plan_.bundle, plan_.path, os::Depth::kWholeTree));
  auto target = os::OpenAt(os::Fd(), plan_.path.c_str(), O_PATH | O_DIRECTORY);
  // A user namespace's root may have no way to it. Then it lies on top of "/", where it is out of
  // the way until it is changed to.
  if (!target && target.error().error_number() == EACCES)
    target = os::OpenAt(os::Fd(), "/", O_PATH | O_DIRECTORY);
  if (!target) return tl::unexpected(std::move(target).error());
  std::vector<os::MountChange> changes;
  if (shared) {
    changes.push_back({{.propagation = MS_PRIVATE}, os::Depth::kWholeTree});
    TRY(MakePrivate(*target));
  }
  root_ = TRY(os::AttachBindSource(std::move(source), changes, *target));
  return {};
}

Status Rootfs::MakeMounts() {
  const oci::Spec& spec = plan_.spec;
  // Unlike a process's, a filesystem's label confines nothing by itself: engines give one always.
  const std::string label = os::HasSelinux() ? spec.on_linux.mount_label : "";
  const MountContext context{
      root_, plan_.bundle, plan_.user_namespace, plan_.cgroup_namespace, plan_.cgroups, label};
  const os::Fd none;
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    const os::Fd& source = i < plan_.sources.mounts.size() ? plan_.sources.mounts[i] : none;
    Mounted mounted =
        TRY_AS(MakeMount(context, spec.mounts[i], source), "{}", MountName(i, spec.mounts[i]));
    if (mounted.readonly_later) readonly_later_.push_back(std::move(mounted.mount));
  }
  return {};
}

Status Rootfs::BindConsole(const os::Fd& terminal) { return jail::BindConsole(root_, terminal); }

Status Rootfs::Enter(RootChange change) {
  TRY(ProtectPaths(root_, plan_.spec.on_linux.readonly_paths));
  TRY(MaskPaths(root_, plan_.spec.on_linux.masked_paths));
  for (const os::Fd& mount : readonly_later_)
    TRY(os::SetMountAttributes(mount, {.set = MOUNT_ATTR_RDONLY}, os::Depth::kThisMount));
  readonly_later_.clear();
  if (plan_.spec.root && plan_.spec.root->readonly)
    TRY_AS(os::SetMountAttributes(root_, {.set = MOUNT_ATTR_RDONLY}, os::Depth::kThisMount),
           "root.readonly");
  if (change == RootChange::kDetach) {
    root_ = TRY_AS(os::CloneMount(root_, "", os::Depth::kWholeTree),
                   "linux.namespaces: a container in the runtime's own mount namespace");
    return {};
  }
  if (change == RootChange::kPivot) {
    TRY(os::PivotRoot(root_));
  } else {
    TRY(os::MoveRoot(root_));
  }
  const std::string& name = plan_.spec.on_linux.rootfs_propagation;
  const unsigned long type = PropagationType(name);
  if (type == 0) return {};
  const os::Depth depth = name.starts_with('r') ? os::Depth::kWholeTree : os::Depth::kThisMount;
  TRY_AS(os::SetPropagation("/", type, depth), "linux.rootfsPropagation");
  return {};
}

}  // namespace wasmoor::jail
