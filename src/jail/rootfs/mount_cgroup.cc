#include "jail/rootfs/mount_cgroup.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "jail/rootfs/mount_filesystem.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

constexpr mode_t kDirectoryMode = 0755;

Result<os::Fd> MountTree(const MountContext& context, const CgroupTree& tree,
                         const MountOptions& options, const os::Fd& target) {
  if (context.cgroup_namespace) {
    MountOptions own = options;
    own.data.clear();
    if (!tree.unified) own.data.push_back(tree.options);
    // "cpu,cpuacct" are two parameters to fsconfig(2).
    for (size_t i = 0; i < own.data.size(); ++i) {
      const size_t comma = own.data[i].find(',');
      if (comma == std::string::npos) continue;
      own.data.push_back(own.data[i].substr(comma + 1));
      own.data[i].resize(comma);
    }
    auto made = MountFilesystem(tree.unified ? "cgroup2" : "cgroup", "cgroup", own, target);
    // Refused where the user namespace does not own the cgroup namespace, or the kernel keeps the
    // hierarchy for itself.
    if (made || (made.error().error_number() != EPERM && made.error().error_number() != EBUSY))
      return made;
  }
  return os::AttachBindSource(
      TRY(os::OpenBindSource(tree.directory.c_str(), os::Depth::kWholeTree)), ChangesOf(options),
      target);
}

// "cpu" and "cpuacct" beside "cpu,cpuacct".
Status LinkControllers(const os::Fd& directory, const std::string& name) {
  if (name.find(',') == std::string::npos) return {};
  std::string_view rest = name;
  while (!rest.empty()) {
    const std::string one(rest.substr(0, rest.find(',')));
    if (symlinkat(name.c_str(), directory.get(), one.c_str()) != 0 && errno != EEXIST)
      return FailErrno(errno, "link {}", one);
    rest = rest.size() == one.size() ? "" : rest.substr(one.size() + 1);
  }
  return {};
}

Result<os::Fd> MountV1(const MountContext& context, const MountOptions& options,
                       const os::Fd& target) {
  MountOptions top;
  top.set = options.set & ~uint64_t{MOUNT_ATTR_RDONLY};
  top.data = {"mode=755"};
  os::Fd tmpfs = TRY(MountFilesystem("tmpfs", "tmpfs", top, target));
  for (const CgroupTree& tree : context.cgroups) {
    const char* name = tree.name.c_str();
    if (mkdirat(tmpfs.get(), name, kDirectoryMode) != 0)
      return FailErrno(errno, "cgroup {}", tree.name);
    const os::Fd place = TRY(os::OpenAt(tmpfs, name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    TRY_AS(MountTree(context, tree, options, place), "cgroup {}", tree.name);
    TRY(LinkControllers(tmpfs, tree.name));
  }
  MountOptions rest = options;
  TRY(SetOptions(tmpfs, rest));
  return tmpfs;
}

}  // namespace

Result<os::Fd> MountCgroups(const MountContext& context, const oci::Mount& mount,
                            const MountOptions& options, const os::Fd& target) {
  if (context.cgroups.empty())
    return Fail(Code::kFailedPrecondition, "type: there are no control groups to mount");
  const auto unified = std::find_if(context.cgroups.begin(), context.cgroups.end(),
                                    [](const CgroupTree& tree) { return tree.unified; });
  const bool only_v2 = unified != context.cgroups.end() && context.cgroups.size() == 1;
  if (!only_v2 && mount.type == "cgroup") return MountV1(context, options, target);
  if (unified == context.cgroups.end())
    return Fail(Code::kFailedPrecondition, "type: this machine has no cgroup2");
  return MountTree(context, *unified, options, target);
}

}  // namespace wasmoor::jail
