#pragma once

#include <string>
#include <vector>

#include "jail/rootfs/mount.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

struct RootfsPlan {
  const oci::Spec& spec;
  const os::Fd& bundle;
  std::string path;  // Of the root filesystem, absolute: root.path resolved.
  MountSources sources;
  bool user_namespace = false, cgroup_namespace = false;  // Other than the host's?
  std::vector<CgroupTree> cgroups;
};

enum class RootChange : uint8_t {
  kPivot,
  kMove,    // --no-pivot.
  kDetach,  // The root is not changed to: root() is a copy of the tree that is attached nowhere.
};

// The file tree of a container, built in a new mount namespace by the process that is to live in
// it: first Build; then hooks may look at it from the host's side; then Enter. Everything that is
// mounted ends with the namespace. An Error names the field of the specification; what is mounted
// by then goes away with the process. One thread.
class Rootfs {
 public:
  // Propagation of "/", the root bound on itself, all mounts in order, devices and links. Whatever
  // symbolic links there are in the root, and whoever changes them meanwhile: nothing is mounted,
  // made or hidden outside of it.
  static Result<Rootfs> Build(RootfsPlan plan);

  // The top of the container's tree; it stays so in Enter.
  const os::Fd& root() const { return root_; }

  // Shows `terminal`, opened from the devpts of root(), as /dev/console. Before or after Enter.
  Status BindConsole(const os::Fd& terminal);

  // Hides masked paths, makes read-only what shall be, and changes to the new root, but for
  // kDetach; the current directory is "/" afterwards. At most once.
  Status Enter(RootChange change);

 private:
  explicit Rootfs(RootfsPlan plan) : plan_(std::move(plan)) {}

  Status IsolatePropagation();
  Status MountRoot();
  Status MakeMounts();

  RootfsPlan plan_;
  os::Fd root_;
  std::vector<os::Fd> readonly_later_;
};

}  // namespace wasmoor::jail
