#include "jail/rootfs/hidden_paths.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <cerrno>

#include "jail/rootfs/mount_filesystem.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

// Nothing where the path names nothing that could be read.
Result<os::Fd> FindInRoot(const os::Fd& root, const std::string& path) {
  auto found = os::OpenInRoot(root, path, O_PATH, os::Links::kFollow);
  if (!found && (found.error().error_number() == ENOENT || found.error().error_number() == ENOTDIR))
    return os::Fd();
  return found;
}

// CVE-2025-31133: what hides files must be the null device indeed.
Result<os::Fd> OpenNull() {
  os::Fd null = TRY(os::OpenAt(os::Fd(), "/dev/null", O_PATH | O_NOFOLLOW));
  const struct stat status = TRY(os::Stat(null));
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
    return Fail(Code::kFailedPrecondition, "/dev/null of the host is not the null device");
  return null;
}

// One empty tmpfs hides any number of directories.
class EmptyDirectories {
 public:
  Status Hide(const os::Fd& target) {
    if (first_.valid()) {
      TRY(os::AttachBindSource(TRY(os::OpenBindSource(first_, "", os::Depth::kThisMount)), {},
                               target));
      return {};
    }
    MountOptions options;
    options.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    options.data = {"mode=755", "size=0", "nr_inodes=1"};
    first_ = TRY(MountFilesystem("tmpfs", "tmpfs", options, target));
    return {};
  }

 private:
  os::Fd first_;  // Attached.
};

}  // namespace

Status MaskPaths(const os::Fd& root, std::span<const std::string> paths) {
  if (paths.empty()) return {};
  const os::Fd null = TRY(OpenNull());
  EmptyDirectories directories;
  for (size_t i = 0; i < paths.size(); ++i) {
    const os::Fd target = TRY_AS(FindInRoot(root, paths[i]), "linux.maskedPaths[{}]", i);
    if (!target.valid()) continue;
    const struct stat status = TRY(os::Stat(target));
    if (S_ISDIR(status.st_mode)) {
      TRY_AS(directories.Hide(target), "linux.maskedPaths[{}] ({})", i, paths[i]);
    } else {
      os::BindSource copy = TRY(os::OpenBindSource(null, "", os::Depth::kThisMount));
      TRY_AS(os::AttachBindSource(std::move(copy), {}, target), "linux.maskedPaths[{}] ({})", i,
             paths[i]);
    }
  }
  return {};
}

Status ProtectPaths(const os::Fd& root, std::span<const std::string> paths) {
  const std::array readonly = {os::MountChange{{.set = MOUNT_ATTR_RDONLY}, os::Depth::kWholeTree}};
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string field = fmt::format("linux.readonlyPaths[{}] ({})", i, paths[i]);
    const os::Fd target = TRY_AS(FindInRoot(root, paths[i]), "{}", field);
    if (!target.valid()) continue;
    os::BindSource copy =
        TRY_AS(os::OpenBindSource(target, "", os::Depth::kWholeTree), "{}", field);
    TRY_AS(os::AttachBindSource(std::move(copy), readonly, target), "{}", field);
  }
  return {};
}

}  // namespace wasmoor::jail
