#include "sandbox/process/root_mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

#include "jail/rootfs/mount_options.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::sandbox {
namespace {

constexpr mode_t kRootMode = 0711;  // As containerd makes it.
// mount(2) takes a page of options, its end included.
constexpr size_t kMostData = 4095;

std::string RootOf(const std::string& bundle) { return bundle + "/rootfs"; }

// The directory above all of an overlay's layers, for names that are shorter from there; empty if
// there is none.
std::string CommonParent(std::string_view layers) {
  std::string common(layers.substr(0, layers.find(':')));
  for (size_t at = 0; at < layers.size();) {
    const size_t end = std::min(layers.find(':', at), layers.size());
    const std::string_view layer = layers.substr(at, end - at);
    const auto differs = std::mismatch(common.begin(), common.end(), layer.begin(), layer.end());
    common.erase(differs.first, common.end());
    at = end + 1;
  }
  const size_t slash = common.rfind('/');
  return slash == std::string::npos ? "" : common.substr(0, slash);
}

std::string Relative(std::string_view layers, const std::string& parent) {
  std::string names;
  for (size_t at = 0; at < layers.size();) {
    const size_t end = std::min(layers.find(':', at), layers.size());
    names += (names.empty() ? "" : ":") +
             std::string(layers.substr(at, end - at).substr(parent.size() + 1));
    at = end + 1;
  }
  return names;
}

std::string Join(std::span<const std::string> options) {
  std::string data;
  for (const std::string& one : options) data += (data.empty() ? "" : ",") + one;
  return data;
}

Result<os::Fd> MountNew(const os::Fd& target, const RootMount& mount,
                        const jail::MountOptions& options, const std::string& data) {
  return os::MountOnto(target, mount.source.c_str(), mount.type.c_str(),
                       jail::ClassicFlags(options), data.empty() ? nullptr : data.c_str());
}

// An image of many layers: the names of an overlay's lower directories, all below one, do not fit
// in a page. From that one they do.
Result<os::Fd> MountLongOverlay(const os::Fd& target, const RootMount& mount,
                                jail::MountOptions options) {
  constexpr std::string_view kLower = "lowerdir=";
  const auto lower = std::find_if(options.data.begin(), options.data.end(),
                                  [&](const std::string& one) { return one.starts_with(kLower); });
  const std::string layers = lower == options.data.end() ? "" : lower->substr(kLower.size());
  const std::string parent = CommonParent(layers);
  if (parent.empty())
    return Fail(Code::kResourceExhausted,
                "its options have more than the {} bytes that mount(2) takes", kMostData);
  *lower = std::string(kLower) + Relative(layers, parent);
  const os::Fd here = TRY(os::OpenAt(os::Fd(), ".", O_PATH | O_DIRECTORY));
  if (::chdir(parent.c_str()) != 0) return FailErrno(errno, "{}", parent);
  auto mounted = MountNew(target, mount, options, Join(options.data));
  if (::fchdir(here.get()) != 0) return FailErrno(errno, "return to the working directory");
  return mounted;
}

Status MountBind(const os::Fd& target, const RootMount& mount, const jail::MountOptions& options) {
  const os::Depth depth = options.bind_tree ? os::Depth::kWholeTree : os::Depth::kThisMount;
  os::BindSource source =
      TRY_AS(os::OpenBindSource(mount.source.c_str(), depth), "{}", mount.source);
  const std::array changes = {
      os::MountChange{.attributes = {.set = options.set, .clear = options.clear}}};
  TRY(os::AttachBindSource(std::move(source), changes, target));
  return {};
}

Status MountOne(const std::string& root, const RootMount& mount) {
  os::Fd target = TRY(os::OpenAt(os::Fd(), root.c_str(), O_PATH | O_DIRECTORY));
  // Below what is mounted already, which may be an image's and full of links.
  if (!mount.target.empty())
    target = TRY(os::OpenInRoot(target, mount.target, O_PATH, os::Links::kFollow));
  const jail::MountOptions options = jail::ParseMountOptions(mount.options);
  if (options.bind || mount.type == "bind") return MountBind(target, mount, options);
  const std::string data = Join(options.data);
  if (data.size() > kMostData && mount.type == "overlay") {
    TRY(MountLongOverlay(target, mount, options));
  } else {
    TRY(MountNew(target, mount, options, data));
  }
  return {};
}

}  // namespace

Status MountRoot(const std::string& bundle, std::span<const RootMount> mounts) {
  if (mounts.empty()) return {};
  const std::string root = RootOf(bundle);
  if (::mkdir(root.c_str(), kRootMode) != 0 && errno != EEXIST) return FailErrno(errno, "{}", root);
  for (const RootMount& mount : mounts) {
    Status mounted = MountOne(root, mount);
    if (mounted) continue;
    static_cast<void>(UnmountRoot(bundle));
    TRY_AS(std::move(mounted), "mount the root filesystem: {} from {}", mount.type, mount.source);
  }
  return {};
}

Status UnmountRoot(const std::string& bundle) {
  const std::string root = RootOf(bundle);
  for (;;) {
    const Status detached = os::DetachMount(root.c_str());
    if (detached) continue;
    // EINVAL: nothing is mounted there (any more).
    const int error = detached.error().error_number();
    if (error == EINVAL || error == ENOENT) return {};
    return TRY_AS(Status(detached), "unmount the root filesystem {}", root), Status();
  }
}

}  // namespace wasmoor::sandbox
