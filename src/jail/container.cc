#include "wasmoor/jail/container.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include "jail/container_parts.h"
#include "jail/hook.h"
#include "jail/start_gate.h"
#include "jail/store.h"
#include "wasmoor/os/process.h"

namespace wasmoor::jail {
namespace {

// What has been killed is as good as gone, unless the kernel waits for a device.
constexpr std::chrono::seconds kEndPatience{10};

// A pidfd of the process that is meant and no other: it was still the same after it was opened.
Result<os::Fd> OpenFirst(const Record& record) {
  auto process = os::OpenProcess(record.init.pid);
  if (!process || !record.init.Alive())
    return Fail(Code::kFailedPrecondition, "container not running: \"{}\"", record.id);
  return process;
}

// Of what is frozen nothing ends on v1, whatever signal it gets (freezer-subsystem, kernel
// documentation).
void ThawForKill(const Record& record) {
  auto group = OpenGroup(record);
  if (!group) return;
  const auto frozen = group->IsFrozen();
  if (frozen && *frozen) static_cast<void>(group->Thaw());
}

Status KillAll(const Record& record, cgroup::Group& group, int signal) {
  if (signal == SIGKILL) return group.Kill();
  for (const pid_t pid : TRY(group.Pids())) {
    if (::kill(pid, signal) != 0 && errno != ESRCH)
      return FailErrno(errno, "container \"{}\": process {}", record.id, pid);
  }
  return {};
}

void WaitForEnd(const Record& record) {
  const auto process = os::OpenProcess(record.init.pid);
  if (!process || !record.init.Alive()) return;
  struct pollfd end = {process->get(), POLLIN, 0};
  while (::poll(&end, 1, std::chrono::milliseconds(kEndPatience).count()) < 0 && errno == EINTR)
    continue;
}

}  // namespace

Result<std::pair<Place, Record>> LockContainer(const Container::Parts& known) {
  Place place = TRY(known.store.FindAndLock(known.record.id, known.store.patience()));
  const bool is_known = known.record.complete && TRY(place.IsSameAs(known.place));
  Record record = is_known ? known.record : TRY(place.Read());
  return std::pair(std::move(place), std::move(record));
}

Result<Prepared> PrepareProgram(Executors executors, const ProgramRequest& request) {
  for (const Executor* executor : executors) {
    if (executor->CanHandle(request))
      return Prepared{executor->name(), TRY(executor->Prepare(request))};
  }
  return Fail(Code::kUnimplemented, "process.args: nothing here can run {}",
              request.process.args.empty() ? "nothing" : request.process.args[0]);
}

oci::State StateOf(const Record& record, oci::Status status) {
  oci::State state{.id = record.id, .status = status, .bundle = record.bundle};
  state.annotations = record.annotations;
  if (status != oci::Status::kStopped) state.pid = record.init.pid;
  return state;
}

Result<cgroup::Group> OpenGroup(const Record& record) {
  if (record.cgroup.empty()) {
    return Fail(Code::kFailedPrecondition,
                "container \"{}\" has no control group: whoever made it may not make any",
                record.id);
  }
  return cgroup::Group::Open(record.cgroup);
}

oci::Status LookAt(const Place& place, const Record& record) {
  if (!record.complete) return oci::Status::kCreating;
  if (!record.init.Alive()) return oci::Status::kStopped;
  if (IsWaitingAtGate(place.directory())) return oci::Status::kCreated;
  if (!record.cgroup.empty()) {
    const auto group = OpenGroup(record);
    const auto frozen = group ? group->IsFrozen() : Result<bool>(false);
    if (frozen && *frozen) return oci::Status::kPaused;
  }
  return oci::Status::kRunning;
}

Result<oci::Spec> ReadSpec(const Place& place) {
  return oci::ParseSpec(TRY(place.ReadFile(kConfig)));
}

tl::unexpected<Error> WrongState(std::string_view verb, const std::string& id, oci::Status status,
                                 std::string_view needed) {
  return Fail(Code::kFailedPrecondition, "cannot {} container \"{}\" that is not {}: it is {}",
              verb, id, needed, StatusName(status));
}

Status EndProcesses(const Record& record, const Result<cgroup::Group*>& group) {
  Status first;
  const auto note = [&first](Status status) {
    if (first && !status) first = std::move(status);
  };
  // One without a group has nothing that could not be found.
  if (!group && !record.cgroup.empty()) note(tl::unexpected(group.error()));
  if (group && (*group)->Exists()) note((*group)->Kill());
  if (record.init.Alive()) ::kill(record.init.pid, SIGKILL);
  WaitForEnd(record);
  if (group) note((*group)->Remove());
  return first;
}

Status ClearAway(Place& place, const Record& record) {
  auto group = OpenGroup(record);
  const Status ended =
      EndProcesses(record, group.map([](cgroup::Group& opened) { return &opened; }));
  Status removed = place.Remove();
  return ended ? removed : ended;
}

Container::Container(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Container::Container(Container&&) noexcept = default;
Container& Container::operator=(Container&&) noexcept = default;
Container::~Container() = default;

const std::string& Container::id() const { return parts_->record.id; }
const std::string& Container::bundle() const { return parts_->record.bundle; }
const std::string& Container::rootfs() const { return parts_->record.rootfs; }
std::chrono::system_clock::time_point Container::created() const { return parts_->record.created; }
uid_t Container::owner() const { return parts_->record.owner; }
const std::string& Container::executor() const { return parts_->record.executor; }

Result<cgroup::Group*> Container::OpenedGroup() const {
  if (!parts_->group) parts_->group = TRY(OpenGroup(parts_->record));
  return &*parts_->group;
}

oci::State Container::state() const {
  return StateOf(parts_->record, LookAt(parts_->place, parts_->record));
}

Status Container::Kill(int signal, Whom whom) const {
  const Record& record = parts_->record;
  const bool everybody = whom == Whom::kEveryProcess && !record.cgroup.empty();
  if (everybody) {
    TRY(KillAll(record, *TRY(OpenedGroup()), signal));
  } else {
    const os::Fd process = TRY(OpenFirst(record));
    const Status sent = os::SignalProcess(process, signal);
    if (!sent && sent.error().error_number() == ESRCH)
      return Fail(Code::kFailedPrecondition, "container not running: \"{}\"", record.id);
    TRY_AS(Status(sent), "container \"{}\"", record.id);
  }
  if (signal == SIGKILL) ThawForKill(record);
  return {};
}

Status Container::Pause() {
  const auto [place, record] = TRY(LockContainer(*parts_));
  const oci::Status status = LookAt(place, record);
  // A frozen process could not take the start that it waits for.
  if (status != oci::Status::kRunning) return WrongState("pause", id(), status, "running");
  cgroup::Group group = TRY(OpenGroup(record));
  return group.Freeze();
}

Status Container::Resume() {
  const auto [place, record] = TRY(LockContainer(*parts_));
  cgroup::Group group = TRY(OpenGroup(record));
  if (!record.init.Alive() || !TRY(group.IsFrozen()))
    return WrongState("resume", id(), LookAt(place, record), "paused");
  return group.Thaw();
}

Status Container::Update(const oci::Resources& resources) {
  const auto [place, record] = TRY(LockContainer(*parts_));
  const oci::Status status = LookAt(place, record);
  if (status == oci::Status::kStopped || status == oci::Status::kCreating)
    return WrongState("update", id(), status, "running");
  cgroup::Group group = TRY(OpenGroup(record));
  return group.Apply(resources);
}

Result<oci::Process> Container::ConfiguredProcess() const {
  oci::Spec spec = TRY(ReadSpec(parts_->place));
  if (!spec.process) return Fail(Code::kInvalidArgument, "config.json: has no process");
  return std::move(*spec.process);
}

Result<std::vector<pid_t>> Container::Pids() const {
  const Record& record = parts_->record;
  if (!record.cgroup.empty()) return TRY(OpenedGroup())->Pids();
  std::vector<pid_t> pids;
  if (record.init.Alive()) pids.push_back(record.init.pid);
  return pids;
}

Result<cgroup::Stats> Container::ReadStats() const { return TRY(OpenedGroup())->ReadStats(); }

Result<os::Fd> Container::OomEvents() const { return TRY(OpenedGroup())->OomEvents(); }

bool Container::TakesTimeToDelete() const {
  if (parts_->record.has_poststop) return true;
  const auto pids = Pids();
  return !pids || !pids->empty();
}

Status Container::Delete(Force force, Warnings* warnings) {
  auto [place, record] = TRY(LockContainer(*parts_));
  const oci::Status status = LookAt(place, record);
  if (status != oci::Status::kStopped && force == Force::kNo)
    return WrongState("delete", id(), status, "stopped");
  const Status ended = EndProcesses(record, OpenedGroup());
  // Before the directory goes, so that they are not lost with a runtime that is killed now. What
  // cannot be read has none that could be run.
  const auto spec = record.has_poststop ? ReadSpec(place) : oci::Spec();
  if (spec && !spec->hooks.poststop.empty())
    *warnings =
        RunEveryHook(spec->hooks.poststop, "poststop", StateOf(record, oci::Status::kStopped));
  const Status removed = place.Remove();
  TRY_AS(Status(ended ? removed : ended), "delete container \"{}\"", id());
  return {};
}

}  // namespace wasmoor::jail
