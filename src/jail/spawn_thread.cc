#include "jail/spawn_thread.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "jail/channel.h"
#include "jail/rootfs/guest_tree.h"
#include "jail/rootfs/mount_filesystem.h"
#include "jail/rootfs/rootfs.h"
#include "wasmoor/os/clone.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/thread.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;

// In a process of its own, with new namespaces: builds the stage and goes into it.
Status BuildStage() {
  const oci::Spec spec = StageSpec();
  MountOptions options;
  options.data = {"mode=755", "size=64k"};
  const os::Fd no_bundle;
  RootfsPlan plan{.spec = spec, .bundle = no_bundle, .path = "/", .sources = {}, .cgroups = {}};
  plan.sources.root = TRY(NewFilesystem("tmpfs", "tmpfs", options));
  Rootfs rootfs = TRY(Rootfs::Build(std::move(plan)));
  TRY(PrepareStage(rootfs.root()));
  return rootfs.Enter(RootChange::kPivot);
}

bool IsOfThreads(NamespaceType type) {
  return type == NamespaceType::kNetwork || type == NamespaceType::kIpc ||
         type == NamespaceType::kUts;
}

}  // namespace

Result<os::Fd> MakeStage() {
  auto [ours, theirs] = TRY(Channel::MakePair());
  const os::Cloned builder =
      TRY(os::Clone({.namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC}));
  if (builder.pid == 0) {
    ours.Close();
    const Status built = BuildStage();
    if (built) {
      static_cast<void>(theirs.Send(Step::kMounted));
      static_cast<void>(theirs.Expect(Step::kMapped));  // Until it has been looked at.
    } else {
      theirs.SendError(built.error());
    }
    ::_exit(0);
  }
  theirs.Close();
  const auto open = [&]() -> Result<os::Fd> {
    TRY(ours.Expect(Step::kMounted));
    const std::string path = fmt::format("/proc/{}/ns/mnt", builder.pid);
    return os::OpenAt(os::Fd(), path.c_str(), O_RDONLY);
  };
  auto stage = open();
  ::kill(builder.pid, SIGKILL);
  while (::waitpid(builder.pid, nullptr, 0) < 0 && errno == EINTR) continue;
  return TRY_AS(std::move(stage), "the mounts that guests have in common");
}

Status SeparateFiles() { return os::SeparateThreadFiles(); }

Result<std::vector<NamespacePlan::Joined>> OpenThreadNamespaces(const oci::Linux& config) {
  std::vector<NamespacePlan::Joined> opened;
  for (size_t i = 0; i < config.namespaces.size(); ++i) {
    const oci::Namespace& one = config.namespaces[i];
    if (one.path.empty() || !IsOfThreads(one.type)) continue;
    opened.push_back({one.type, TRY_AS(os::OpenAt(os::Fd(), one.path.c_str(), O_RDONLY),
                                       "linux.namespaces[{}].path: {}", i, one.path)});
  }
  return opened;
}

Status EnterThreadNamespaces(std::span<const NamespacePlan::Joined> namespaces) {
  for (const NamespacePlan::Joined& one : namespaces)
    TRY_AS(os::EnterNamespace(one.file, CloneFlag(one.type)),
           "linux.namespaces: enter the {} namespace", oci::NamespaceName(one.type));
  return {};
}

Status EnterStage(const os::Fd& stage) {
  // Root and current directory are common to all threads before, which setns(2) does not take.
  TRY_AS(os::Unshare(CLONE_FS), "a root of the thread's own");
  TRY_AS(os::EnterNamespace(stage, CLONE_NEWNS), "enter the mounts that guests have in common");
  TRY_AS(os::Unshare(CLONE_NEWNS), "a mount namespace of the thread's own");
  return {};
}

Status EnterMounts(const os::Fd& mounts) {
  TRY_AS(os::Unshare(CLONE_FS), "a root of the thread's own");
  TRY_AS(os::EnterNamespace(mounts, CLONE_NEWNS), "enter the container's mount namespace");
  return {};
}

Status LeaveHostNamespaces() {
  TRY_AS(os::Unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS),
         "namespaces for guests that have none of their own");
  return {};
}

}  // namespace wasmoor::jail
