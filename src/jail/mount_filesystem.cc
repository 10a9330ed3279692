#include "jail/mount_filesystem.h"

#include <sys/mount.h>

#include <algorithm>

#include "wasmoor/os/mount.h"

namespace wasmoor::jail {

Status SetOptions(const os::Fd& mount, const MountOptions& options) {
  if ((options.tree_set | options.tree_clear) != 0)
    TRY(os::SetMountAttributes(mount, {.set = options.tree_set, .clear = options.tree_clear},
                               os::Depth::kWholeTree));
  if ((options.set | options.clear) != 0)
    TRY(os::SetMountAttributes(mount, {.set = options.set, .clear = options.clear},
                               os::Depth::kThisMount));
  for (const MountOptions::Propagation& one : options.propagation) {
    TRY_AS(os::SetMountAttributes(mount, {.propagation = one.type},
                                  one.tree ? os::Depth::kWholeTree : os::Depth::kThisMount),
           "propagation");
  }
  return {};
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
  os::Fd mount = TRY(context.Mount(options.set));
  MountOptions rest = options;
  rest.set = rest.clear = 0;
  TRY(SetOptions(mount, rest));
  return mount;
}

bool NeedsClassicMount(const MountOptions& options) {
  return std::any_of(options.data.begin(), options.data.end(), [](const std::string& item) {
    return item.size() > os::FilesystemContext::kMaxParameter;
  });
}

Status MountClassic(const oci::Mount& mount, const MountOptions& options, const os::Fd& target) {
  std::string data;
  for (const std::string& item : options.data) data += (data.empty() ? "" : ",") + item;
  return os::MountOnto(target, mount.source.c_str(), mount.type.c_str(), ClassicFlags(options),
                       data.c_str());
}

}  // namespace wasmoor::jail
