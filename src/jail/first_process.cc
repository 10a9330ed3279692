#include "jail/first_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "jail/hook.h"
#include "jail/spawn.h"
#include "jail/start_gate.h"
#include "jail/sysctl.h"
#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

constexpr int kExitFailed = 1;

class FirstProcess {
 public:
  FirstProcess(FirstProcessPlan& plan, Channel& channel)
      : plan_(plan), channel_(channel), process_(plan.process, channel) {}

  Status UntilReady(const cgroup::Entry* entry);
  // Why it is not the program.
  Error AfterStart(const Channel& starter);
  void CloseOthers();

 private:
  Status SetNames() const;
  Result<Rootfs> BuildRoot();
  oci::State StateFor(oci::Status status) const;

  FirstProcessPlan& plan_;
  Channel& channel_;
  ContainerProcess process_;
  os::Fd bundle_;
};

Status FirstProcess::SetNames() const {
  const oci::Spec& spec = plan_.spec;
  if (!spec.hostname.empty() && ::sethostname(spec.hostname.data(), spec.hostname.size()) != 0)
    return FailErrno(errno, "hostname: {}", spec.hostname);
  if (!spec.domainname.empty() &&
      ::setdomainname(spec.domainname.data(), spec.domainname.size()) != 0)
    return FailErrno(errno, "domainname: {}", spec.domainname);
  return {};
}

// The bundle by a descriptor of this mount namespace: one of another cannot be mounted from.
Result<Rootfs> FirstProcess::BuildRoot() {
  // A user namespace's root may have no way to it; then all sources are open already.
  if (auto opened = os::OpenAt(os::Fd(), plan_.bundle.path.c_str(), O_PATH | O_DIRECTORY))
    bundle_ = std::move(*opened);
  return Rootfs::Build({.spec = plan_.spec,
                        .bundle = bundle_,
                        .path = plan_.rootfs,
                        .sources = std::move(plan_.sources),
                        .user_namespace = plan_.namespaces.ChangesUser(),
                        .cgroup_namespace = plan_.namespaces.new_cgroup,
                        .cgroups = plan_.cgroups});
}

// Hooks that run here are told the number that the process has here (runtime.md, "State").
oci::State FirstProcess::StateFor(oci::Status status) const {
  return {.id = plan_.process.container_id,
          .status = status,
          .pid = ::getpid(),
          .bundle = plan_.bundle.path,
          .annotations = plan_.spec.annotations};
}

Status FirstProcess::UntilReady(const cgroup::Entry* entry) {
  if (entry != nullptr) TRY(entry->Enter());
  TRY(channel_.Expect(Step::kMapped));
  const oci::Spec& spec = plan_.spec;
  TRY(process_.Begin(plan_.namespaces.ChangesUser()));
  TRY(EnterMountNamespace(plan_.namespaces));
  TRY(TakeCgroupNamespace(plan_.namespaces));
  TRY(SetNames());
  TRY(SetSysctls(spec.on_linux.sysctl));
  Rootfs rootfs = TRY(BuildRoot());
  if (plan_.host_hooks) {
    TRY(channel_.Send(Step::kMounted));
    TRY(channel_.Expect(Step::kHooked));
  }
  TRY(RunHooks(spec.hooks.create_container, "createContainer", StateFor(oci::Status::kCreating)));
  const os::Fd terminal = TRY(process_.MakeTerminal(rootfs.root()));
  if (terminal.valid()) TRY(rootfs.BindConsole(terminal));
  TRY(rootfs.Enter(plan_.namespaces.mount_after.valid() ? RootChange::kDetach : plan_.change));
  TRY(LeaveMountNamespace(plan_.namespaces, rootfs.root()));
  // As every runtime has it; of a root that is read-only the working directory has to be there.
  std::error_code ignored;
  std::filesystem::create_directories(plan_.process.spec.cwd, ignored);
  return process_.Settle(terminal);
}

Error FirstProcess::AfterStart(const Channel& starter) {
  const Status hooked =
      RunHooks(plan_.spec.hooks.start_container, "startContainer", StateFor(oci::Status::kCreated));
  if (!hooked) return hooked.error();
  const std::array keeps = {&std::as_const(plan_.gate), &starter.socket()};
  return process_.Become(keeps);
}

// What the runtime had open is nothing to hold while this waits, the lock of the container above
// all.
void FirstProcess::CloseOthers() {
  const std::array keeps = {&std::as_const(plan_.gate)};
  process_.CloseOthers(keeps);
}

}  // namespace

void LiveAsFirst(FirstProcessPlan& plan, const cgroup::Entry* entry, Channel channel) {
  FirstProcess process(plan, channel);
  if (const Status ready = process.UntilReady(entry); !ready) {
    channel.SendError(ready.error());
    _exit(kExitFailed);
  }
  channel.Close();
  process.CloseOthers();
  const auto starter = WaitAtGate(plan.gate);
  if (starter) starter->SendError(process.AfterStart(*starter));
  _exit(kExitFailed);
}

}  // namespace wasmoor::jail
