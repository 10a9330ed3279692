#include "jail/container_create.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "jail/attend.h"
#include "jail/container_parts.h"
#include "jail/hook.h"
#include "jail/id_map.h"
#include "jail/no_program.h"
#include "jail/rootfs/device.h"
#include "jail/spawn.h"
#include "jail/start_gate.h"
#include "jail/sysctl.h"
#include "wasmoor/jail/aside.h"
#include "wasmoor/os/capability.h"
#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

using oci::NamespaceType;

// A user who is not root of the machine may be without control groups; limits that nobody would
// keep are refused all the same.
bool LimitsAnything(const std::optional<oci::Resources>& resources) {
  if (!resources) return false;
  const auto& memory = resources->memory;
  const auto& cpu = resources->cpu;
  return (memory && (memory->limit || memory->swap || memory->reservation)) ||
         (cpu && (cpu->quota || cpu->shares || !cpu->cpus.empty() || !cpu->mems.empty())) ||
         resources->pids_limit.value_or(0) > 0 || resources->block_io ||
         !resources->hugepage_limits.empty() || !resources->rdma.empty() ||
         !resources->unified.empty();
}

// None where no control groups are mounted.
std::vector<cgroup::Group::Directory> OwnGroups() {
  std::vector<cgroup::Group::Directory> groups;
  const auto root = cgroup::Root::Detect();
  if (!root) return groups;
  for (const cgroup::Hierarchy& one : root->hierarchies())
    groups.push_back({one, one.own_path == "/" ? one.mount_point : one.mount_point + one.own_path});
  return groups;
}

std::string JoinControllers(const std::vector<std::string>& controllers) {
  std::string joined;
  for (const std::string& one : controllers) joined += joined.empty() ? one : "," + one;
  return joined;
}

}  // namespace

Creation::~Creation() {
  if (!done_ && place_) Undo();
}

const os::Fd& Creation::waits_for() const {
  if (at_ == At::kPreparing) return preparation_->waits_for();
  return at_ == At::kHooking ? hooks_->waits_for() : channel_->socket();
}

Result<std::optional<Containers::Created>> Creation::Advance() {
  if (at_ == At::kBeginning) {
    TRY(ReadBundle());
    TRY(CheckSupported());
    TRY(BeginPreparation());
    at_ = At::kPreparing;
  }
  switch (at_) {
    case At::kBeginning:
    case At::kPreparing: {
      auto program = TRY(preparation_->Advance());
      if (program) TRY(Make(*std::move(program)));
      return std::nullopt;
    }
    case At::kMounting:
      TRY(channel_->Expect(Step::kMounted));
      hooks_begun_ = true;
      hooks_ = DoAside([this]() -> Result<Warnings> {
        TRY(RunHostHooks());
        return Warnings();
      });
      at_ = At::kHooking;
      [[fallthrough]];
    case At::kHooking:
      if (!TRY(hooks_->Advance())) return std::nullopt;
      hooks_.reset();
      return GoOnAfterHooks();
    case At::kSettling: {
      const oci::State state = StateNow(oci::Status::kCreating);
      if (!TRY(Attend({*channel_, child_, plan_->process, bundle_.spec, state, console_},
                      &terminal_)))
        return std::nullopt;
      return Finish();
    }
  }
  return std::nullopt;
}

Status Creation::Make(std::unique_ptr<Program> program) {
  if (program->privileges() == Privileges::kNone) {
    for (oci::Mount& mount : bundle_.spec.mounts) {
      if (mount.type == "proc") mount.options.emplace_back("ro");
    }
  }
  console_ = TRY(ConnectConsole(*bundle_.spec.process, options_));
  ProcessPlan process = TRY(ProcessPlan::Make(record_.id, bundle_.spec, *bundle_.spec.process,
                                              options_, std::move(program), store_));
  Status planned = PlanGroup();
  TRY(TakePlace());
  TRY(MakeGroup(std::move(planned)));
  plan_.emplace(TRY(Plan(std::move(process))));
  TRY(SpawnFirst());
  at_ = HasHostHooks() ? At::kMounting : At::kSettling;
  return {};
}

Result<Containers::Created> Creation::Finish() {
  record_.complete = true;
  TRY(place_->Write(record_));
  TRY(WritePidFile(options_.pid_file, child_.pid));
  done_ = true;
  place_->Unlock();
  Started first{child_.pid, std::move(child_.process), std::move(terminal_)};
  auto parts = std::make_unique<Container::Parts>(
      Container::Parts{store_, std::move(*place_), std::move(record_), std::move(group_)});
  return Containers::Created{Container(std::move(parts)), std::move(first)};
}

Status Creation::ReadBundle() {
  bundle_ = TRY(oci::Bundle::Open(options_.bundle));
  oci::Spec& spec = bundle_.spec;
  if (!spec.root) return Fail(Code::kInvalidArgument, "config.json: has no root");
  const std::string path =
      spec.root->path.starts_with('/') ? spec.root->path : bundle_.path + "/" + spec.root->path;
  char* const resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return FailErrno(errno, "root.path: {}", path);
  record_.rootfs = resolved;
  ::free(resolved);
  record_.id = options_.id;
  record_.bundle = bundle_.path;
  record_.created = std::chrono::system_clock::now();
  record_.owner = ::geteuid();
  record_.annotations = spec.annotations;
  record_.has_poststart = !spec.hooks.poststart.empty();
  record_.has_poststop = !spec.hooks.poststop.empty();
  return {};
}

Status Creation::CheckSupported() const {
  const oci::Linux& config = bundle_.spec.on_linux;
  const auto is_user = [](const auto& one) { return one.type == NamespaceType::kUser; };
  if (SharesMounts(config) &&
      std::any_of(config.namespaces.begin(), config.namespaces.end(), is_user))
    return Fail(Code::kInvalidArgument,
                "linux.namespaces: a container with a user namespace needs a mount namespace: "
                "without one it may mount nothing");
  if (config.intel_rdt) return Fail(Code::kUnimplemented, "linux.intelRdt: is not supported");
  return CheckSysctls(config.sysctl, config);
}

Result<os::Fd> Creation::OpenRoot() const {
  constexpr int kFlags = O_PATH | O_DIRECTORY;
  if (options_.root != nullptr) return os::OpenAt(*options_.root, ".", kFlags);
  return os::OpenAt(os::Fd(), record_.rootfs.c_str(), kFlags);
}

Status Creation::BeginPreparation() {
  if (!bundle_.spec.process) {
    bundle_.spec.process.emplace().cwd = "/";
    record_.executor = kNoExecutor;
    preparation_ = std::make_unique<os::Ready<std::unique_ptr<Program>>>(MakeNoProgram());
    return {};
  }
  root_ = TRY_AS(OpenRoot(), "root.path");
  request_.emplace(ProgramRequest{.container_id = record_.id,
                                  .spec = bundle_.spec,
                                  .process = *bundle_.spec.process,
                                  .root = root_,
                                  .file = options_.program,
                                  .out_of_memory = options_.out_of_memory});
  Prepared prepared = TRY(PrepareProgram(executors_, *request_));
  record_.executor = prepared.executor;
  preparation_ = std::move(prepared.preparation);
  return {};
}

Status Creation::TakePlace() {
  place_ = TRY(store_.Make(record_.id));
  TRY(place_->WriteFile(kConfig, bundle_.config));
  return place_->Write(record_);
}

Status Creation::PlanGroup() {
  const std::string& path = bundle_.spec.on_linux.cgroups_path;
  const bool systemd = options_.systemd_cgroup;
  const std::string own = (systemd ? ":wasmoor:" : "/") + record_.id;
  if (!*cgroups_) *cgroups_ = TRY(cgroup::Root::Detect());
  record_.cgroup =
      TRY(cgroup::Group::Plan(**cgroups_, path.empty() ? own : path,
                              systemd ? cgroup::Driver::kSystemd : cgroup::Driver::kFiles));
  return {};
}

Status Creation::MakeGroup(Status planned) {
  auto& resources = bundle_.spec.on_linux.resources;
  if (resources && !resources->devices.empty()) {
    for (const oci::DeviceRule& rule : UsualDeviceRules()) resources->devices.push_back(rule);
  }
  const auto make = [&]() -> Status {
    TRY(std::move(planned));
    group_ = TRY(cgroup::Group::CreatePlanned(record_.cgroup));
    if (resources) TRY(group_->Apply(*resources));
    return {};
  };
  Status made = make();
  if (made || os::IsRootOfMachine()) return made;
  if (LimitsAnything(resources))
    return TRY_AS(std::move(made), "linux.resources: cannot be kept without rights"), Status();
  if (group_) static_cast<void>(group_->Remove());
  group_.reset();
  record_.cgroup.clear();
  return {};
}

// Where the container's processes are: in its own group or, if it has none, where this process is.
std::vector<CgroupTree> Creation::CgroupTrees() const {
  std::vector<CgroupTree> trees;
  const auto directories = group_ ? group_->Directories() : OwnGroups();
  for (const auto& [hierarchy, path] : directories) {
    const bool unified = hierarchy.version == 2;
    const bool alone = unified && directories.size() == 1;
    const std::string& mount_point = hierarchy.mount_point;
    trees.push_back({.name = alone ? "" : mount_point.substr(mount_point.rfind('/') + 1),
                     .options = JoinControllers(hierarchy.controllers),
                     .unified = unified,
                     .directory = path});
  }
  return trees;
}

Result<FirstProcessPlan> Creation::Plan(ProcessPlan process) {
  NamespacePlan namespaces = TRY(PlanNamespaces(bundle_.spec.on_linux));
  MountSources sources = TRY(OpenMountSources(bundle_.spec, bundle_.directory, record_.rootfs,
                                              namespaces.ChangesUser(), MakeUserNamespace));
  if (options_.root != nullptr) sources.root = TRY(os::Duplicate(*options_.root));
  return FirstProcessPlan{.bundle = bundle_,
                          .spec = bundle_.spec,
                          .rootfs = record_.rootfs,
                          .namespaces = std::move(namespaces),
                          .sources = std::move(sources),
                          .cgroups = CgroupTrees(),
                          .change = options_.no_pivot ? RootChange::kMove : RootChange::kPivot,
                          .process = std::move(process),
                          .host_hooks = HasHostHooks(),
                          .gate = TRY(MakeStartGate(place_->directory()))};
}

oci::State Creation::StateNow(oci::Status status) const {
  return {.id = record_.id,
          .status = status,
          .pid = record_.init.pid,
          .bundle = record_.bundle,
          .annotations = record_.annotations};
}

// Everything that the new process needs from outside before it may go on. First it has to be found
// if this process is killed now: by its control group, which is written down already, if it enters
// that by itself; and hooks are told of it.
Status Creation::Admit() {
  record_.init = TRY(ProcessId::Of(child_.pid));
  if (!entry_ || HasHostHooks()) TRY(place_->Write(record_));
  const oci::Linux& config = bundle_.spec.on_linux;
  if (plan_->namespaces.Makes(NamespaceType::kUser))
    TRY(WriteIdMaps(child_.pid, config.uid_mappings, config.gid_mappings));
  if (group_ && !entry_) TRY(group_->Add(child_.pid));
  return ApplyFromOutside(plan_->process.attributes, child_.pid);
}

bool Creation::HasHostHooks() const {
  return !bundle_.spec.hooks.prestart.empty() || !bundle_.spec.hooks.create_runtime.empty();
}

Status Creation::RunHostHooks() const {
  const oci::Hooks& hooks = bundle_.spec.hooks;
  // The older hook is told of a container that is there (runtime-tools, validation/hooks_stdin).
  TRY(RunHooks(hooks.prestart, "prestart", StateNow(oci::Status::kCreated)));
  return RunHooks(hooks.create_runtime, "createRuntime", StateNow(oci::Status::kCreating));
}

Result<std::optional<Containers::Created>> Creation::GoOnAfterHooks() {
  TRY(channel_->Send(Step::kHooked));
  at_ = At::kSettling;
  return std::nullopt;
}

Status Creation::SpawnFirst() {
  auto [ours, theirs] = TRY(Channel::MakePair());
  TRY(ApplyInitialCpus(plan_->process.attributes));
  // A scope of systemd's starts with the process, which is added then.
  if (group_ && group_->Exists()) entry_ = TRY(cgroup::Entry::Open(*group_));
  child_ = TRY(Spawn({.namespaces = plan_->namespaces,
                      .time_offsets = bundle_.spec.on_linux.time_offsets,
                      .cgroup = entry_ ? entry_->clone_into() : nullptr}));
  if (child_.pid == 0) {
    // What the runtime would undo is not this process's to undo.
    done_ = true;
    ours.Close();
    place_->LeaveLock();
    LiveAsFirst(*plan_, entry_ ? &*entry_ : nullptr, std::move(theirs));
  }
  theirs.Close();
  TRY(Admit());
  TRY(ours.Send(Step::kMapped));
  channel_ = std::move(ours);
  return {};
}

void Creation::Undo() {
  if (child_.process.valid()) KillChild(child_);
  if (group_) {
    static_cast<void>(group_->Kill());
    static_cast<void>(group_->Remove());
  }
  // What the hooks before have made, these take away; the error that is reported is the first.
  if (hooks_begun_)
    RunEveryHook(bundle_.spec.hooks.poststop, "poststop", StateNow(oci::Status::kStopped));
  static_cast<void>(place_->Remove());
}

}  // namespace wasmoor::jail
