#include "jail/rootfs/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "jail/rootfs/mount_cgroup.h"
#include "jail/rootfs/mount_copy.h"
#include "jail/rootfs/mount_filesystem.h"
#include "jail/rootfs/mount_target.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

constexpr mode_t kPermissions = 07777;

// What may cover a file of /proc: views of the container's own limits (lxcfs) and the like.
// Anything else there could hide what the runtime itself goes by later, such as /proc/self/attr
// (CVE-2019-16884).
constexpr std::array<std::string_view, 11> kCoverable = {"/proc/cpuinfo",
                                                         "/proc/diskstats",
                                                         "/proc/meminfo",
                                                         "/proc/stat",
                                                         "/proc/swaps",
                                                         "/proc/uptime",
                                                         "/proc/loadavg",
                                                         "/proc/slabinfo",
                                                         "/proc/net/dev",
                                                         "/proc/sys/kernel/ns_last_pid",
                                                         "/proc/sys/crypto/fips_enabled"};

Result<bool> IsProc(const os::Fd& file) {
  return TRY(os::StatFilesystem(file)).f_type == PROC_SUPER_MAGIC;
}

Status MayCover(const os::Fd& target, const oci::Mount& mount) {
  if (!TRY(IsProc(target))) return {};
  const std::string path = CleanPath(mount.destination);
  if (std::find(kCoverable.begin(), kCoverable.end(), path) != kCoverable.end()) return {};
  return Fail(Code::kPermissionDenied,
              "destination: lies inside /proc, which nothing may be mounted on");
}

Result<Mounted> Bind(const MountContext& context, const oci::Mount& mount,
                     const MountOptions& options, const os::Fd& given) {
  os::BindSource opened{.depth = options.bind_tree ? os::Depth::kWholeTree : os::Depth::kThisMount};
  if (!given.valid()) {
    opened =
        TRY_AS(OpenSource(context.bundle, mount.source, opened.depth), "source {}", mount.source);
  } else {
    // The caller's descriptor stays the caller's.
    opened.file = os::Fd(fcntl(given.get(), F_DUPFD_CLOEXEC, 0));
    if (!opened.file.valid()) return FailErrno(errno, "source {}", mount.source);
  }
  const struct stat status = TRY(os::Stat(opened.file));
  if (CleanPath(mount.destination) == "/proc" && !TRY(IsProc(opened.file)))
    return Fail(Code::kPermissionDenied,
                "source: {} is no proc filesystem; only one may be at /proc", mount.source);
  const os::Fd target =
      TRY_AS(OpenTarget(context.root, mount.destination,
                        S_ISDIR(status.st_mode) ? TargetKind::kDirectory : TargetKind::kFile,
                        os::Links::kFollow),
             "destination");
  TRY(MayCover(target, mount));
  os::Fd top = TRY_AS(os::AttachBindSource(std::move(opened), ChangesOf(options), target),
                      "bind {}", mount.source);
  return Mounted{std::move(top), false};
}

Result<Mounted> Remount(const MountContext& context, const oci::Mount& mount,
                        const MountOptions& options) {
  os::Fd target = TRY_AS(
      os::OpenInRoot(context.root, mount.destination, O_PATH, os::Links::kFollow), "destination");
  TRY_AS(SetOptions(target, options), "remount");
  return Mounted{std::move(target), false};
}

// A filesystem that belongs to a namespace which a user namespace does not own can only be shown as
// the host has it mounted (mount_namespaces(7), user_namespaces(7)).
const char* HostPathOf(std::string_view type) {
  if (type == "sysfs") return "/sys";
  if (type == "proc") return "/proc";
  if (type == "mqueue") return "/dev/mqueue";
  return nullptr;
}

Result<Mounted> MountNew(const MountContext& context, const oci::Mount& mount,
                         MountOptions options) {
  const bool kernel_view = mount.type == "proc" || mount.type == "sysfs";
  // CVE-2021-30465, CVE-2023-27561: a link there would put the kernel's files where the image wants
  // them, and the image's own in their place.
  const os::Links links = kernel_view ? os::Links::kNoLinks : os::Links::kFollow;
  const bool existed = os::OpenInRoot(context.root, mount.destination, O_PATH, links).has_value();
  auto target = OpenTarget(context.root, mount.destination, TargetKind::kDirectory, links);
  if (!target && kernel_view && target.error().error_number() == ELOOP)
    return Fail(Code::kPermissionDenied,
                "destination: {} may only be mounted on a directory, and a symbolic link is there",
                mount.type);
  if (!target) return tl::unexpected(std::move(target).error().WithContext("destination"));
  TRY(MayCover(*target, mount));

  const bool tmpfs = mount.type == "tmpfs";
  const bool later = tmpfs && (options.set & MOUNT_ATTR_RDONLY) != 0;
  if (later) options.set &= ~uint64_t{MOUNT_ATTR_RDONLY};
  if (tmpfs && existed) {
    // Before the specification's own, so that a mode given there wins.
    const struct stat status = TRY(os::Stat(*target));
    options.data.insert(options.data.begin(),
                        fmt::format("mode={:o}", status.st_mode & kPermissions));
  }
  if (!context.label.empty() && (tmpfs || mount.type == "devpts"))
    options.data.push_back(fmt::format("context={}", context.label));

  auto made = MountFilesystem(mount.type, mount.source, options, *target);
  const char* host = HostPathOf(mount.type);
  if (!made && made.error().error_number() == EPERM && context.user_namespace && host != nullptr)
    made = os::AttachBindSource(TRY(os::OpenBindSource(host, os::Depth::kWholeTree)),
                                ChangesOf(options), *target);
  if (!made) return tl::unexpected(std::move(made).error());
  // From what the target was before: it still means the directory beneath the mount.
  if (options.copy_up && tmpfs) TRY_AS(CopyTree(*target, *made), "tmpcopyup");
  return Mounted{std::move(*made), later};
}

}  // namespace

std::string MountName(size_t index, const oci::Mount& mount) {
  return fmt::format("mounts[{}] ({})", index, mount.destination);
}

Result<Mounted> MakeMount(const MountContext& context, const oci::Mount& mount,
                          const os::Fd& source) {
  MountOptions options = ParseMountOptions(mount.options);
  if (mount.type == "bind") options.bind = true;
  if (options.remount) return Remount(context, mount, options);
  if (options.bind || source.valid()) return Bind(context, mount, options, source);
  if (mount.type == "cgroup" || mount.type == "cgroup2") {
    const os::Fd target = TRY_AS(
        OpenTarget(context.root, mount.destination, TargetKind::kDirectory, os::Links::kFollow),
        "destination");
    TRY(MayCover(target, mount));
    return Mounted{TRY(MountCgroups(context, mount, options, target)), false};
  }
  if (mount.type.empty()) return Fail(Code::kInvalidArgument, "type: is missing");
  return MountNew(context, mount, std::move(options));
}

}  // namespace wasmoor::jail
