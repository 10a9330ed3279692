#include <fcntl.h>
#include <unistd.h>

#include "jail/attend.h"
#include "jail/container_parts.h"
#include "jail/process.h"
#include "jail/spawn.h"
#include "wasmoor/cgroup/entry.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"
#include "wasmoor/os/process.h"

namespace wasmoor::jail {
namespace {

constexpr int kExitFailed = 1;

struct ExecPlan {
  NamespacePlan namespaces;
  ProcessPlan process;
  const os::Fd& root;  // The container's.
};

// In the new process.
Error LiveBeside(ExecPlan& plan, const cgroup::Entry* entry, Channel& channel) {
  ContainerProcess process(plan.process, channel);
  const auto settle = [&]() -> Status {
    if (entry != nullptr) TRY(entry->Enter());
    TRY(channel.Expect(Step::kMapped));
    TRY(process.Begin(plan.namespaces.ChangesUser()));
    TRY(EnterMountNamespace(plan.namespaces));
    // A container that has the runtime's mounts has a root of its own all the same.
    if (!plan.namespaces.mount.valid()) TRY(os::ChangeRoot(plan.root));
    TRY(TakeCgroupNamespace(plan.namespaces));
    const os::Fd root = TRY(os::OpenAt(os::Fd(), "/", O_PATH | O_DIRECTORY));
    const os::Fd terminal = TRY(process.MakeTerminal(root));
    TRY(process.Settle(terminal));
    TRY(channel.Expect(Step::kStart));
    return {};
  };
  if (const Status settled = settle(); !settled) return settled.error();
  const std::array keeps = {&channel.socket()};
  return process.Become(keeps);
}

// One `exec`; the process is killed if it does not come to its end.
class Execution {
 public:
  Execution(const Record& record, const oci::Spec& spec, const oci::State& state)
      : record_(record), spec_(spec), state_(state) {}
  ~Execution() {
    if (child_.process.valid()) KillChild(child_);
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  Result<Started> Run(ExecPlan& plan, const os::Fd& console);

 private:
  const Record& record_;
  const oci::Spec& spec_;
  const oci::State& state_;
  os::Cloned child_;
};

Result<Started> Execution::Run(ExecPlan& plan, const os::Fd& console) {
  std::optional<cgroup::Entry> entry;
  if (!record_.cgroup.empty())
    entry = TRY(cgroup::Entry::Open(TRY(OpenGroup(record_)), record_.init.pid));
  auto [ours, theirs] = TRY(Channel::MakePair());
  TRY(ApplyInitialCpus(plan.process.attributes));
  child_ = TRY(Spawn({.namespaces = plan.namespaces,
                      .time_offsets = {},
                      .cgroup = entry ? entry->clone_into() : nullptr}));
  if (child_.pid == 0) {
    ours.Close();
    theirs.SendError(LiveBeside(plan, entry ? &*entry : nullptr, theirs));
    _exit(kExitFailed);
  }
  theirs.Close();
  TRY(ApplyFromOutside(plan.process.attributes, child_.pid));
  TRY(ours.Send(Step::kMapped));
  os::Fd terminal = TRY(AttendUntilReady({ours, child_, plan.process, spec_, state_, console}));
  TRY(WritePidFile(plan.process.options.pid_file, child_.pid));
  TRY(ours.Send(Step::kStart));
  // The end of the channel is the program's beginning.
  const auto end = ours.Receive();
  if (!end && end.error().code() != Code::kAborted) return tl::unexpected(end.error());
  return Started{child_.pid, std::move(child_.process), std::move(terminal)};
}

}  // namespace

Result<Started> Container::Exec(const oci::Process& process, const ProcessOptions& options,
                                Executors executors) const {
  const Record& record = parts_->record;
  const oci::Status status = LookAt(parts_->place, record);
  if (status == oci::Status::kStopped)
    return Fail(Code::kFailedPrecondition, "cannot exec in container \"{}\": container not running",
                id());
  if (status == oci::Status::kCreating) return WrongState("exec in", id(), status, "running");
  const oci::Spec spec = TRY(ReadSpec(parts_->place));
  const os::Fd console = TRY(ConnectConsole(process, options));
  NamespacePlan namespaces = TRY(PlanNamespacesOf(record.init.pid));
  const os::Fd root =
      TRY_AS(os::OpenAt(os::Fd(), fmt::format("/proc/{}/root", record.init.pid).c_str(),
                        O_PATH | O_DIRECTORY),
             "container \"{}\"", id());
  // The number was its process's all the while.
  if (!record.init.Alive())
    return Fail(Code::kFailedPrecondition, "cannot exec in container \"{}\": container not running",
                id());
  const ProgramRequest request{record.id, spec, process, root, false, record.executor};
  auto program = TRY(PrepareProgram(executors, request)).program;
  ExecPlan plan{
      std::move(namespaces),
      TRY(ProcessPlan::Make(record.id, spec, process, options, std::move(program), parts_->store)),
      root};
  const oci::State now = StateOf(record, status);
  return Execution(record, spec, now).Run(plan, console);
}

}  // namespace wasmoor::jail
