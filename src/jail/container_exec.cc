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
class Execution : public os::Pending<Started> {
 public:
  Execution(const Store& store, const Place& place, const Record& record, oci::Process process,
            ProcessOptions options, Executors executors)
      : store_(store),
        place_(place),
        record_(record),
        process_(std::move(process)),
        options_(std::move(options)),
        executors_(executors) {}
  ~Execution() override {
    if (child_.process.valid()) KillChild(child_);
  }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  const os::Fd& waits_for() const override {
    return at_ == At::kPreparing ? preparation_->waits_for() : channel_->socket();
  }
  Result<std::optional<Started>> Advance() override;

 private:
  enum class At : uint8_t { kBeginning, kPreparing, kSettling, kStarting };

  Status Begin();
  Status Make(std::unique_ptr<Program> program);
  Status SpawnBeside();
  oci::State StateNow() const { return StateOf(record_, status_); }

  const Store& store_;
  const Place& place_;
  const Record& record_;
  const oci::Process process_;
  const ProcessOptions options_;
  const Executors executors_;

  oci::Status status_ = oci::Status::kRunning;
  oci::Spec spec_;  // The container's.
  os::Fd root_, console_, terminal_;
  // What it refers to stays where it is.
  std::optional<ProgramRequest> request_;
  std::unique_ptr<Preparation> preparation_;
  NamespacePlan namespaces_;
  std::optional<ExecPlan> plan_;
  std::optional<Channel> channel_;
  os::Cloned child_;
  At at_ = At::kBeginning;
};

Status Execution::Begin() {
  const auto not_running = [&] {
    return Fail(Code::kFailedPrecondition, "cannot exec in container \"{}\": container not running",
                record_.id);
  };
  status_ = LookAt(place_, record_);
  if (status_ == oci::Status::kStopped) return not_running();
  if (status_ == oci::Status::kCreating)
    return WrongState("exec in", record_.id, status_, "running");
  spec_ = TRY(ReadSpec(place_));
  console_ = TRY(ConnectConsole(process_, options_));
  namespaces_ = TRY(PlanNamespacesOf(record_.init.pid));
  root_ = TRY_AS(os::OpenAt(os::Fd(), fmt::format("/proc/{}/root", record_.init.pid).c_str(),
                            O_PATH | O_DIRECTORY),
                 "container \"{}\"", record_.id);
  // The number was its process's all the while.
  if (!record_.init.Alive()) return not_running();
  request_.emplace(ProgramRequest{.container_id = record_.id,
                                  .spec = spec_,
                                  .process = process_,
                                  .root = root_,
                                  .is_first = false,
                                  .made_by = record_.executor,
                                  .file = options_.program,
                                  .out_of_memory = options_.out_of_memory});
  preparation_ = TRY(PrepareProgram(executors_, *request_)).preparation;
  return {};
}

Status Execution::Make(std::unique_ptr<Program> program) {
  plan_.emplace(ExecPlan{
      std::move(namespaces_),
      TRY(ProcessPlan::Make(record_.id, spec_, process_, options_, std::move(program), store_)),
      root_});
  TRY(SpawnBeside());
  at_ = At::kSettling;
  return {};
}

Status Execution::SpawnBeside() {
  std::optional<cgroup::Entry> entry;
  if (!record_.cgroup.empty())
    entry = TRY(cgroup::Entry::Open(TRY(OpenGroup(record_)), record_.init.pid));
  auto [ours, theirs] = TRY(Channel::MakePair());
  TRY(ApplyInitialCpus(plan_->process.attributes));
  child_ = TRY(Spawn({.namespaces = plan_->namespaces,
                      .time_offsets = {},
                      .cgroup = entry ? entry->clone_into() : nullptr}));
  if (child_.pid == 0) {
    ours.Close();
    theirs.SendError(LiveBeside(*plan_, entry ? &*entry : nullptr, theirs));
    _exit(kExitFailed);
  }
  theirs.Close();
  TRY(ApplyFromOutside(plan_->process.attributes, child_.pid));
  TRY(ours.Send(Step::kMapped));
  channel_ = std::move(ours);
  return {};
}

Result<std::optional<Started>> Execution::Advance() {
  if (at_ == At::kBeginning) {
    TRY(Begin());
    at_ = At::kPreparing;
  }
  switch (at_) {
    case At::kBeginning:
    case At::kPreparing: {
      auto program = TRY(preparation_->Advance());
      if (program) TRY(Make(*std::move(program)));
      return std::nullopt;
    }
    case At::kSettling: {
      const oci::State state = StateNow();
      if (!TRY(Attend({*channel_, child_, plan_->process, spec_, state, console_}, &terminal_)))
        return std::nullopt;
      TRY(WritePidFile(options_.pid_file, child_.pid));
      TRY(channel_->Send(Step::kStart));
      at_ = At::kStarting;
      return std::nullopt;
    }
    case At::kStarting: {
      // The end of the channel is the program's beginning.
      const auto end = channel_->Receive();
      if (!end && end.error().code() != Code::kAborted) return tl::unexpected(end.error());
      return Started{child_.pid, std::move(child_.process), std::move(terminal_)};
    }
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<os::Pending<Started>> Container::BeginExec(oci::Process process,
                                                           ProcessOptions options,
                                                           Executors executors) const {
  return std::make_unique<Execution>(parts_->store, parts_->place, parts_->record,
                                     std::move(process), std::move(options), executors);
}

Result<Started> Container::Exec(const oci::Process& process, const ProcessOptions& options,
                                Executors executors) const {
  return BeginExec(process, options, executors)->Wait();
}

}  // namespace wasmoor::jail
