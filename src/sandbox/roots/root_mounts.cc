#include "sandbox/roots/root_mounts.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <deque>
#include <string_view>
#include <vector>

#include "jail/rootfs/mount_filesystem.h"
#include "jail/rootfs/mount_options.h"
#include "jail/spawn.h"
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

constexpr std::string_view kUidMap = "uidmap=", kGidMap = "gidmap=", kLower = "lowerdir=";

// containerd's words for the ids of a user namespace: "container:host:size", joined by commas, in
// options that no filesystem knows.
Result<std::vector<oci::IdMapping>> ParseMap(std::string_view text) {
  std::vector<oci::IdMapping> map;
  for (const char* at = text.data(); at < text.data() + text.size(); ++at) {
    const char* const end = text.data() + text.size();
    std::array<uint32_t, 3> numbers = {};
    for (uint32_t& number : numbers) {
      const auto [rest, failed] = std::from_chars(at, end, number);
      const bool last = &number == &numbers.back();
      const bool followed = rest != end && *rest == (last ? ',' : ':');
      if (failed != std::errc() || (!followed && !(last && rest == end)))
        return Fail(Code::kInvalidArgument, "an id map is no container:host:size: {}", text);
      at = last ? rest : rest + 1;
    }
    map.push_back({numbers[0], numbers[1], numbers[2]});
  }
  return map;
}

// The value of an option, which is taken out of the list; empty if it is not there.
std::string Take(std::string_view name, std::vector<std::string>* options) {
  const auto found = std::find_if(options->begin(), options->end(),
                                  [&](const std::string& one) { return one.starts_with(name); });
  if (found == options->end()) return "";
  std::string value = found->substr(name.size());
  options->erase(found);
  return value;
}

// An overlay cannot be idmapped itself; its layers can, and are given by descriptor, since idmapped
// they have no names (Linux 6.15).
Result<os::Fd> OpenMappedOverlay(const RootMount& mount, MountOptions options,
                                 const os::Fd& user_namespace) {
  const std::string layers = Take(kLower, &options.data);
  // Open until the overlay is made: what is mounted nowhere goes with its last descriptor, and an
  // overlay takes no layer that has gone so.
  std::deque<os::Fd> copies;
  std::vector<jail::FileParameter> files;
  for (size_t at = 0; at < layers.size();) {
    const size_t end = std::min(layers.find(':', at), layers.size());
    const std::string layer = layers.substr(at, end - at);
    copies.push_back(TRY_AS(os::CloneMount(layer.c_str(), os::Depth::kThisMount), "{}", layer));
    const os::Fd& copy = copies.back();
    TRY_AS(os::SetMountIds(copy, user_namespace, os::Depth::kThisMount), "idmap of {}", layer);
    files.push_back({"lowerdir+", copy});
    at = end + 1;
  }
  return jail::NewFilesystem(mount.type, mount.source, options, files);
}

// The root of a pod in a user namespace whose snapshots are not.
Result<os::Fd> OpenMapped(const RootMount& mount, MountOptions options) {
  const auto uids = TRY(ParseMap(Take(kUidMap, &options.data)));
  const auto gids = TRY(ParseMap(Take(kGidMap, &options.data)));
  const os::Fd user_namespace = TRY(jail::MakeUserNamespace(uids, gids));
  if (!IsBind(mount, options)) return OpenMappedOverlay(mount, std::move(options), user_namespace);
  os::Fd copy = TRY(OpenBind(mount, options));
  TRY_AS(os::SetMountIds(copy, user_namespace, DepthOf(options)), "idmap of {}", mount.source);
  return copy;
}

bool IsMapped(const MountOptions& options) {
  return std::any_of(options.data.begin(), options.data.end(), [](const std::string& one) {
    return one.starts_with(kUidMap) || one.starts_with(kGidMap);
  });
}

// fsconfig(2) takes no list of layers as long as those of images with many; Linux 6.8 takes them
// one by one.
void SplitLayers(MountOptions* options) {
  const std::string layers = Take(kLower, &options->data);
  for (size_t at = 0; at < layers.size();) {
    const size_t end = std::min(layers.find(':', at), layers.size());
    options->data.push_back("lowerdir+=" + layers.substr(at, end - at));
    at = end + 1;
  }
}

Result<os::Fd> OpenNew(const RootMount& mount, MountOptions options, const std::string& beneath) {
  const auto layers = std::find_if(options.data.begin(), options.data.end(),
                                   [](const std::string& one) { return one.starts_with(kLower); });
  if (mount.type != "overlay" || layers == options.data.end())
    return jail::NewFilesystem(mount.type, mount.source, options);
  if (!beneath.empty()) *layers += ":" + beneath;
  if (layers->size() <= os::FilesystemContext::kMaxParameter)
    return jail::NewFilesystem(mount.type, mount.source, options);
  SplitLayers(&options);
  auto opened = jail::NewFilesystem(mount.type, mount.source, options);
  // An older kernel knows nothing of such a parameter.
  if (!opened && opened.error().error_number() == EINVAL)
    return Fail(Code::kOutOfRange, "lowerdir: is longer than fsconfig(2) allows");
  return opened;
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

Result<os::Fd> OpenRoot(std::span<const RootMount> mounts, const std::string& beneath) {
  if (mounts.size() != 1 || !mounts.front().target.empty()) return os::Fd();
  const RootMount& mount = mounts.front();
  MountOptions options = jail::ParseMountOptions(mount.options);
  if (IsMapped(options))
    return TRY_AS(OpenMapped(mount, options),
                  "mount the root filesystem in a user namespace (needs Linux 6.15): {} of {}",
                  mount.type, mount.source);
  auto opened = IsBind(mount, options) ? OpenBind(mount, options)
                                       : OpenNew(mount, std::move(options), beneath);
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
