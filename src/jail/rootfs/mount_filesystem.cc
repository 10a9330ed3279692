#include "jail/rootfs/mount_filesystem.h"

#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace wasmoor::jail {
namespace {

// What is left to change of a new mount that has the attributes of `set`.
std::vector<os::MountChange> ChangesOfNew(const MountOptions& options) {
  MountOptions rest = options;
  rest.set = rest.clear = 0;
  return ChangesOf(rest);
}

constexpr std::string_view kLowerDirectories = "lowerdir=";

// One directory of an overlay after the other, which together would be too long (Linux 6.8,
// Documentation/filesystems/overlayfs.rst, "Multiple lower layers"). A backslash guards what is
// part of a name.
Status SetLowerDirectories(os::FilesystemContext& context, std::string_view names) {
  if (names.find('\\') != std::string_view::npos)
    return Fail(Code::kOutOfRange, "the names of the lower directories are too long together");
  for (size_t at = 0; at <= names.size();) {
    const size_t end = std::min(names.find(':', at), names.size());
    TRY(context.Set("lowerdir+", std::string(names.substr(at, end - at)).c_str()));
    at = end + 1;
  }
  return {};
}

Status SetParameter(os::FilesystemContext& context, const std::string& item) {
  const size_t equals = item.find('=');
  if (equals == std::string::npos) return context.SetFlag(item.c_str());
  if (item.size() - equals - 1 <= os::FilesystemContext::kMaxParameter)
    return context.Set(item.substr(0, equals).c_str(), item.c_str() + equals + 1);
  if (item.starts_with(kLowerDirectories))
    return SetLowerDirectories(context, std::string_view(item).substr(kLowerDirectories.size()));
  return Fail(Code::kOutOfRange, "the value of {} is too long", item.substr(0, equals));
}

bool HasLongParameter(const MountOptions& options) {
  return std::any_of(options.data.begin(), options.data.end(), [](const std::string& item) {
    return item.size() > os::FilesystemContext::kMaxParameter;
  });
}

Result<os::Fd> MountClassic(const std::string& type, const std::string& source,
                            const MountOptions& options, const os::Fd& target) {
  std::string data;
  for (const std::string& item : options.data) data += (data.empty() ? "" : ",") + item;
  os::Fd top =
      TRY(os::MountOnto(target, source.c_str(), type.c_str(), ClassicFlags(options), data.c_str()));
  for (const os::MountChange& change : ChangesOfNew(options))
    TRY(os::SetMountAttributes(top, change.attributes, change.depth));
  return top;
}

}  // namespace

Result<os::Fd> NewFilesystem(const std::string& type, const std::string& source,
                             const MountOptions& options, std::span<const FileParameter> files) {
  os::FilesystemContext context = TRY(os::FilesystemContext::Open(type.c_str()));
  if (!source.empty()) TRY(context.Set("source", source.c_str()));
  // As mount(2) has it: what is mounted read-only is a filesystem that is read-only itself.
  if ((options.set & MOUNT_ATTR_RDONLY) != 0) TRY(context.SetFlag("ro"));
  for (const std::string& flag : options.filesystem_flags) TRY(context.SetFlag(flag.c_str()));
  for (const FileParameter& one : files) TRY(context.SetFile(one.name, one.file));
  for (const std::string& item : options.data) TRY(SetParameter(context, item));
  return context.Mount(options.set);
}

std::vector<os::MountChange> ChangesOf(const MountOptions& options) {
  std::vector<os::MountChange> changes;
  if ((options.tree_set | options.tree_clear) != 0)
    changes.push_back(
        {{.set = options.tree_set, .clear = options.tree_clear}, os::Depth::kWholeTree});
  if ((options.set | options.clear) != 0)
    changes.push_back({{.set = options.set, .clear = options.clear}, os::Depth::kThisMount});
  for (const MountOptions::Propagation& one : options.propagation)
    changes.push_back(
        {{.propagation = one.type}, one.tree ? os::Depth::kWholeTree : os::Depth::kThisMount});
  return changes;
}

Status SetOptions(const os::Fd& mount, const MountOptions& options) {
  for (const os::MountChange& change : ChangesOf(options))
    TRY(os::SetMountAttributes(mount, change.attributes, change.depth));
  return {};
}

Result<os::Fd> MountFilesystem(const std::string& type, const std::string& source,
                               const MountOptions& options, const os::Fd& target) {
  if (HasLongParameter(options)) return MountClassic(type, source, options, target);
  auto made = NewFilesystem(type, source, options);
  if (made) return os::AttachBindSource({.file = std::move(*made)}, ChangesOfNew(options), target);
  if (made.error().error_number() == ENOSYS) return MountClassic(type, source, options, target);
  return made;
}

}  // namespace wasmoor::jail
