#include "jail/rootfs/mount_filesystem.h"

#include <sys/mount.h>

#include <algorithm>
#include <cerrno>

namespace wasmoor::jail {
namespace {

// What is left to change of a new mount that has the attributes of `set`.
std::vector<os::MountChange> ChangesOfNew(const MountOptions& options) {
  MountOptions rest = options;
  rest.set = rest.clear = 0;
  return ChangesOf(rest);
}

Result<os::Fd> NewFilesystem(const std::string& type, const std::string& source,
                             const MountOptions& options) {
  os::FilesystemContext context = TRY(os::FilesystemContext::Open(type.c_str()));
  if (!source.empty()) TRY(context.Set("source", source.c_str()));
  // As mount(2) has it: what is mounted read-only is a filesystem that is read-only itself.
  if ((options.set & MOUNT_ATTR_RDONLY) != 0) TRY(context.SetFlag("ro"));
  for (const std::string& flag : options.filesystem_flags) TRY(context.SetFlag(flag.c_str()));
  for (const std::string& item : options.data) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) {
      TRY(context.SetFlag(item.c_str()));
    } else {
      TRY(context.Set(item.substr(0, equals).c_str(), item.c_str() + equals + 1));
    }
  }
  return context.Mount(options.set);
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
