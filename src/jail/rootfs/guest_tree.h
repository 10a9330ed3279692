#pragma once

#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

// The file tree of a guest that is a thread: as Rootfs makes it for a process, but made of mounts
// that all such guests have copies of, where those differ in nothing. The common ones stand in a
// mount namespace of their own, the stage, which has nothing else.
namespace wasmoor::jail {

// What is on the stage: /proc, which shows the machine and no process, since a thread has no PID
// namespace of its own and the host's is not for guests; /sys without the host's network; and /dev.
// All read-only, with what containers must not see hidden.
oci::Spec StageSpec();
// In the process that builds the stage, between Rootfs::Build and Rootfs::Enter of that
// specification: what guests mount things on in /dev. `root` is the stage's.
Status PrepareStage(const os::Fd& root);

// Sources of bind mounts, one a mount of the specification, opened where they still have names: in
// the host's mount namespace. Copies that are attached nowhere.
Result<std::vector<os::Fd>> OpenGuestSources(const oci::Spec& spec, const os::Fd& bundle);

struct GuestTreePlan {
  const oci::Spec& spec;
  os::Fd root;                  // A mount that is attached nowhere.
  std::vector<os::Fd> sources;  // As opened above.
};

// kUnimplemented names what a thread cannot have of the mounts; its container needs a process.
Status CheckGuestTree(const oci::Spec& spec);

// In a copy of the stage that is the calling thread's own: makes the tree and changes to it; the
// current directory is "/" afterwards. Of the specification's mounts those of a type "cgroup" are
// left out, and so are devpts and mqueue where /dev is the common one. An Error names the field.
Status BuildGuestTree(GuestTreePlan plan);

}  // namespace wasmoor::jail
