#include "sandbox/process/root_mounts.h"

#include <fcntl.h>

#include <cerrno>

#include "jail/rootfs/mount_filesystem.h"
#include "jail/rootfs/mount_options.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::sandbox {
namespace {

using jail::MountOptions;

std::string RootOf(const std::string& bundle) { return bundle + "/rootfs"; }

bool IsBind(const RootMount& mount, const MountOptions& options) {
  return options.bind || mount.type == "bind";
}

os::Depth DepthOf(const MountOptions& options) {
  return options.bind_tree ? os::Depth::kWholeTree : os::Depth::kThisMount;
}

Result<os::Fd> OpenBind(const RootMount& mount, const MountOptions& options) {
  os::Fd copy = TRY_AS(os::CloneMount(mount.source.c_str(), DepthOf(options)), "{}", mount.source);
  for (const os::MountChange& change : jail::ChangesOf(options))
    TRY(os::SetMountAttributes(copy, change.attributes, change.depth));
  return copy;
}

// What another way may not meet: the kernel's or a filter's, or a limit of fsconfig(2)'s.
bool MayGoOtherwise(const Error& error) {
  return error.error_number() == ENOSYS || error.error_number() == EPERM ||
         error.code() == Code::kOutOfRange;
}

Status AttachOne(const std::string& root, const RootMount& mount) {
  os::Fd target = TRY(os::OpenAt(os::Fd(), root.c_str(), O_PATH | O_DIRECTORY));
  // Below what is mounted already, which may be an image's and full of links.
  if (!mount.target.empty())
    target = TRY(os::OpenInRoot(target, mount.target, O_PATH, os::Links::kFollow));
  const MountOptions options = jail::ParseMountOptions(mount.options);
  if (!IsBind(mount, options)) {
    TRY(jail::MountFilesystem(mount.type, mount.source, options, target));
    return {};
  }
  os::BindSource source =
      TRY_AS(os::OpenBindSource(mount.source.c_str(), DepthOf(options)), "{}", mount.source);
  TRY(os::AttachBindSource(std::move(source), jail::ChangesOf(options), target));
  return {};
}

}  // namespace

Result<os::Fd> OpenRoot(std::span<const RootMount> mounts) {
  if (mounts.size() != 1 || !mounts.front().target.empty()) return os::Fd();
  const RootMount& mount = mounts.front();
  const MountOptions options = jail::ParseMountOptions(mount.options);
  auto opened = IsBind(mount, options) ? OpenBind(mount, options)
                                       : jail::NewFilesystem(mount.type, mount.source, options);
  if (!opened && MayGoOtherwise(opened.error())) return os::Fd();
  return TRY_AS(std::move(opened), "mount the root filesystem: {} of {}", mount.type, mount.source);
}

Status AttachRoot(const std::string& bundle, std::span<const RootMount> mounts) {
  const std::string root = RootOf(bundle);
  for (const RootMount& mount : mounts) {
    Status attached = AttachOne(root, mount);
    if (attached) continue;
    static_cast<void>(DetachRoot(bundle));
    TRY_AS(std::move(attached), "mount the root filesystem: {} of {}", mount.type, mount.source);
  }
  return {};
}

Status DetachRoot(const std::string& bundle) {
  const std::string root = RootOf(bundle);
  for (;;) {
    Status detached = os::DetachMount(root.c_str());
    if (detached) continue;
    // EINVAL: nothing is mounted there (any more).
    const int error = detached.error().error_number();
    if (error == EINVAL || error == ENOENT) return {};
    TRY_AS(std::move(detached), "unmount the root filesystem {}", root);
  }
}

}  // namespace wasmoor::sandbox
