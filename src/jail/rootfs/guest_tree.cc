#include "jail/rootfs/guest_tree.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "jail/rootfs/device.h"
#include "jail/rootfs/hidden_paths.h"
#include "jail/rootfs/mount.h"
#include "jail/rootfs/mount_options.h"
#include "jail/rootfs/mount_target.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

constexpr std::string_view kProc = "/proc", kSys = "/sys", kDev = "/dev";
constexpr mode_t kDirectoryMode = 0755, kFileMode = 0644;

// What engines of containers mount on below /dev, by default.
constexpr std::array<const char*, 3> kDevDirectories = {"/dev/pts", "/dev/shm", "/dev/mqueue"};
constexpr const char* kTerminationLog = "/dev/termination-log";  // Kubernetes.

// All that containerd, the kubelet and podman have in their lists.
constexpr std::array<const char*, 18> kHidden = {
    "/proc/acpi",          "/proc/asound",      "/proc/bus",      "/proc/fs",
    "/proc/interrupts",    "/proc/irq",         "/proc/kcore",    "/proc/keys",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",     "/proc/sysrq-trigger",
    "/proc/timer_list",    "/proc/timer_stats", "/sys/dev/block", "/sys/devices/virtual/powercap",
    "/sys/firmware",       "/sys/fs/selinux"};

bool IsAt(const oci::Mount& mount, std::string_view place) {
  return CleanPath(mount.destination) == place;
}

bool IsBelow(const std::string& path, std::string_view place) {
  return path.size() > place.size() && path.starts_with(place) && path[place.size()] == '/';
}

bool IsBind(const oci::Mount& mount) {
  return mount.type == "bind" || ParseMountOptions(mount.options).bind;
}

bool IsOfControlGroups(const oci::Mount& mount) {
  return mount.type == "cgroup" || mount.type == "cgroup2";
}

bool StageHasInDev(const std::string& path) {
  return path == kTerminationLog ||
         std::find(kDevDirectories.begin(), kDevDirectories.end(), path) != kDevDirectories.end();
}

// Whether what the specification says of /dev can be had of the common one.
bool TakesDevOfStage(const oci::Spec& spec) {
  if (!spec.on_linux.devices.empty()) return false;
  bool has_dev = false;
  for (const oci::Mount& mount : spec.mounts) {
    const std::string path = CleanPath(mount.destination);
    if (path == kDev) {
      if (mount.type != "tmpfs" || IsBind(mount)) return false;
      has_dev = true;
    }
    if (IsBelow(path, kDev) && !StageHasInDev(path)) return false;
  }
  return has_dev;
}

// A copy that is nobody's peer: what is mounted on it shows nowhere else, and what the host mounts
// below its source shows in it, as in a process's mount namespace.
Status MakeSlave(const os::Fd& tree) {
  return os::SetMountAttributes(tree, {.propagation = MS_SLAVE}, os::Depth::kWholeTree);
}

class Builder {
 public:
  explicit Builder(GuestTreePlan plan)
      : plan_(std::move(plan)), common_dev_(TakesDevOfStage(plan_.spec)) {}

  Status Build() {
    // By the names that they have before the root covers them.
    proc_ = TRY(os::OpenAt(os::Fd(), kProc.data(), O_PATH | O_DIRECTORY));
    sys_ = TRY(os::OpenAt(os::Fd(), kSys.data(), O_PATH | O_DIRECTORY));
    dev_ = TRY(os::OpenAt(os::Fd(), kDev.data(), O_PATH | O_DIRECTORY));
    null_ = TRY(os::OpenAt(os::Fd(), "/", O_PATH | O_DIRECTORY));
    TRY_AS(MountRoot(), "root.path");
    for (size_t i = 0; i < plan_.spec.mounts.size(); ++i)
      TRY_AS(Make(i), "{}", MountName(i, plan_.spec.mounts[i]));
    if (!common_dev_) TRY(MakeDevices(root_, plan_.spec.on_linux.devices, DeviceMethod::kMake));
    TRY(ProtectPaths(root_, Remaining(plan_.spec.on_linux.readonly_paths)));
    TRY(MaskPaths(root_, RemainingHidden(plan_.spec.on_linux.masked_paths)));
    for (const os::Fd& mount : readonly_later_)
      TRY(os::SetMountAttributes(mount, {.set = MOUNT_ATTR_RDONLY}, os::Depth::kThisMount));
    if (plan_.spec.root && plan_.spec.root->readonly)
      TRY_AS(os::SetMountAttributes(root_, {.set = MOUNT_ATTR_RDONLY}, os::Depth::kThisMount),
             "root.readonly");
    return os::ChangeRoot(root_);
  }

 private:
  Status MountRoot() {
    TRY(MakeSlave(plan_.root));
    TRY(os::AttachMount(plan_.root, null_));
    root_ = std::move(plan_.root);
    return {};
  }

  // The stage's own copy of this namespace is moved: there is one of each.
  Status Move(os::Fd* mount, std::string_view place) {
    const os::Fd target =
        TRY_AS(OpenTarget(root_, std::string(place), TargetKind::kDirectory, os::Links::kNoLinks),
               "destination");
    TRY(os::AttachMount(*mount, target));
    mount->Close();
    return {};
  }

  Status Make(size_t index) {
    const oci::Mount& mount = plan_.spec.mounts[index];
    if (IsOfControlGroups(mount)) return {};
    if (mount.type == "proc") return Move(&proc_, kProc);
    if (mount.type == "sysfs") return Move(&sys_, kSys);
    if (common_dev_ && IsAt(mount, kDev)) return Move(&dev_, kDev);
    if (common_dev_ && (mount.type == "devpts" || mount.type == "mqueue")) return {};
    const MountContext context{root_, null_, false, false, no_groups_, no_label_};
    Mounted mounted = TRY(MakeMount(context, mount, plan_.sources[index]));
    if (mounted.readonly_later) readonly_later_.push_back(std::move(mounted.mount));
    return {};
  }

  // What the stage's own mounts do already.
  std::vector<std::string> Remaining(const std::vector<std::string>& paths) const {
    std::vector<std::string> remaining;
    for (const std::string& path : paths) {
      const std::string clean = CleanPath(path);
      if (!IsBelow(clean, kProc) && !IsBelow(clean, kSys)) remaining.push_back(path);
    }
    return remaining;
  }
  std::vector<std::string> RemainingHidden(const std::vector<std::string>& paths) const {
    std::vector<std::string> remaining;
    for (const std::string& path : paths) {
      if (std::find(kHidden.begin(), kHidden.end(), CleanPath(path)) == kHidden.end())
        remaining.push_back(path);
    }
    return remaining;
  }

  GuestTreePlan plan_;
  const bool common_dev_;
  const std::vector<CgroupTree> no_groups_;
  const std::string no_label_;
  os::Fd proc_, sys_, dev_, null_, root_;
  std::vector<os::Fd> readonly_later_;
};

Status MakeDirectoryIn(const os::Fd& root, const char* path) {
  const NamedPlace place = TRY(OpenParent(root, path));
  if (::mkdirat(place.directory.get(), place.name.c_str(), kDirectoryMode) != 0 && errno != EEXIST)
    return FailErrno(errno, "{}", path);
  return {};
}

}  // namespace

oci::Spec StageSpec() {
  oci::Spec spec;
  spec.root.emplace().readonly = true;
  const std::vector<std::string> closed = {"nosuid", "noexec", "nodev", "ro"};
  spec.mounts.push_back({std::string(kProc), "proc", "proc", closed, {}, {}});
  spec.mounts.push_back({std::string(kSys), "sysfs", "sysfs", closed, {}, {}});
  spec.mounts.push_back({std::string(kDev),
                         "tmpfs",
                         "tmpfs",
                         {"nosuid", "noexec", "strictatime", "mode=755", "size=64k", "ro"},
                         {},
                         {}});
  spec.on_linux.masked_paths.assign(kHidden.begin(), kHidden.end());
  return spec;
}

Status PrepareStage(const os::Fd& root) {
  for (const char* path : kDevDirectories) TRY(MakeDirectoryIn(root, path));
  const NamedPlace place = TRY(OpenParent(root, kTerminationLog));
  const os::Fd file(::openat(place.directory.get(), place.name.c_str(),
                             O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!file.valid()) return FailErrno(errno, "{}", kTerminationLog);
  return {};
}

Result<std::vector<os::Fd>> OpenGuestSources(const oci::Spec& spec, const os::Fd& bundle) {
  std::vector<os::Fd> sources(spec.mounts.size());
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    const oci::Mount& mount = spec.mounts[i];
    if (!IsBind(mount)) continue;
    const bool tree = ParseMountOptions(mount.options).bind_tree;
    sources[i] = TRY_AS(os::CloneMount(bundle, mount.source.c_str(),
                                       tree ? os::Depth::kWholeTree : os::Depth::kThisMount),
                        "{}: source {}", MountName(i, mount), mount.source);
    TRY_AS(MakeSlave(sources[i]), "{}", MountName(i, mount));
  }
  return sources;
}

Status CheckGuestTree(const oci::Spec& spec) {
  for (size_t i = 0; i < spec.mounts.size(); ++i) {
    const oci::Mount& mount = spec.mounts[i];
    const MountOptions options = ParseMountOptions(mount.options);
    const bool mapped = options.id_map != IdMap::kNone || !mount.uid_mappings.empty();
    const bool misplaced = (mount.type == "proc" && !IsAt(mount, kProc)) ||
                           (mount.type == "sysfs" && !IsAt(mount, kSys));
    if (mapped || misplaced || options.remount)
      return Fail(Code::kUnimplemented, "{}: {}", MountName(i, mount),
                  mapped ? "is idmapped" : "is not where it usually is");
  }
  if (spec.on_linux.rootfs_propagation.ends_with("shared"))
    return Fail(Code::kUnimplemented, "linux.rootfsPropagation: is shared");
  return {};
}

Status BuildGuestTree(GuestTreePlan plan) { return Builder(std::move(plan)).Build(); }

}  // namespace wasmoor::jail
