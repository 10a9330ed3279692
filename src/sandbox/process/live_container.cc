#include "sandbox/process/live_container.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "sandbox/exit_note.h"
#include "sandbox/roots/root_mounts.h"
#include "wasmoor/jail/aside.h"
#include "wasmoor/oci/bundle.h"

namespace wasmoor::sandbox {
namespace {

constexpr mode_t kRootMode = 0711;  // As containerd makes it.

container::WasmOptions OptionsFor(const Surroundings& surroundings, const GuestOptions& guest) {
  container::WasmOptions options = surroundings.wasm;
  if (!guest.cache_directory.empty())
    options.caches.insert(options.caches.begin(), guest.cache_directory);
  options.guest = {.memory_bytes = guest.memory_bytes,
                   .table_elements = guest.table_elements,
                   .http_address = guest.http_address,
                   .http_outgoing = guest.http_outgoing};
  return options;
}

// What containerd looks for (errdefs.IsNotFound) when it kills what has ended meanwhile.
Status FinishedIfGone(Status status) {
  if (status || status.error().code() != Code::kFailedPrecondition) return status;
  return Fail(Code::kNotFound, "process already finished");
}

}  // namespace

LiveContainer::LiveContainer(Surroundings& surroundings, CreateRequest request,
                             const jail::Executor* holder)
    : surroundings_(surroundings),
      request_(std::move(request)),
      wasm_(OptionsFor(surroundings, request_.guest)),
      guest_out_of_memory_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      executors_{holder != nullptr ? holder : &wasm_, &native_},
      creating_(surroundings.loop),
      first_(*this),
      deleting_(surroundings.loop),
      freezing_(surroundings.loop),
      killing_(surroundings.loop) {}

LiveContainer::~LiveContainer() = default;

void LiveContainer::Log(std::string_view line) const {
  if (surroundings_.log) surroundings_.log(line);
}

void LiveContainer::Create(Done<void> done) {
  created_ = std::move(done);
  if (Status mounted = MakeRoot(); !mounted)
    return loop::Answer(surroundings_.loop, std::exchange(created_, nullptr), std::move(mounted));
  first_.OpenStreams([this](Status ready) {
    if (ready) return Make();
    OnMade(tl::unexpected(std::move(ready).error()));
  });
}

Status LiveContainer::MakeRoot() {
  if (request_.rootfs.empty()) return {};
  const std::string path = request_.bundle + "/rootfs";
  if (::mkdir(path.c_str(), kRootMode) != 0 && errno != EEXIST) return FailErrno(errno, "{}", path);
  root_ = TRY(OpenRoot(request_.rootfs));
  attached_ = !root_.valid();
  return attached_ ? AttachRoot(request_.bundle, request_.rootfs) : Status();
}

// Nothing waits for the kernel here unless something is mounted on the host.
Status LiveContainer::LetRootGo() {
  root_.Close();
  return attached_ ? DetachRoot(request_.bundle) : Status();
}

void LiveContainer::Make() {
  jail::CreateOptions options;
  options.id = request_.id;
  options.bundle = request_.bundle;
  options.systemd_cgroup = request_.systemd_cgroup;
  options.no_pivot = request_.no_pivot;
  options.no_new_keyring = request_.no_new_keyring;
  if (module_.valid()) options.program = &module_;
  if (root_.valid()) options.root = &root_;
  if (guest_out_of_memory_.valid()) options.out_of_memory = &guest_out_of_memory_;
  first_.LendStreams(&options);
  creating_.Run(surroundings_.containers->BeginCreate(std::move(options), executors_),
                [this](auto made) { OnMade(std::move(made)); });
}

void LiveContainer::OnMade(Result<jail::Containers::Created> made) {
  if (!made && made.error().code() == Code::kNotFound && surroundings_.find_module &&
      !looked_for_module_)
    return LookForModule(std::move(made).error());
  Status taken = made ? Take(*std::move(made)) : Status(tl::unexpected(std::move(made).error()));
  if (!taken) {
    first_.CloseStreams();
    const auto deleted = container_ ? Delete() : jail::Warnings();
    if (!deleted) Log(deleted.error().message());
    if (const Status let_go = LetRootGo(); !let_go) Log(let_go.error().message());
  }
  const Done<void> done = std::exchange(created_, nullptr);
  done(std::move(taken));
}

// A process that has been made for the container has taken the root to where it mounted it, and
// what is mounted cannot be mounted by its descriptor again.
Status LiveContainer::RenewRoot() {
  if (root_.valid()) root_ = TRY(OpenRoot(request_.rootfs));
  return {};
}

// The image may be an artifact, which has no root filesystem.
void LiveContainer::LookForModule(Error why) {
  looked_for_module_ = true;
  FindModuleInstead(surroundings_.find_module, request_.id, request_.bundle, std::move(why),
                    [this](Result<os::Fd> found) {
                      if (!found) return OnMade(tl::unexpected(std::move(found).error()));
                      module_ = std::move(*found);
                      const Status renewed = RenewRoot();
                      return renewed ? Make() : OnMade(tl::unexpected(renewed.error()));
                    });
}

Status LiveContainer::Take(jail::Containers::Created made) {
  container_ = std::move(made.container);
  // It is the container's own now.
  root_.Close();
  TRY(first_.Adopt(std::move(made.first)));
  WatchMemory();
  return {};
}

// Where there is no such group, there is nothing to be told of.
void LiveContainer::WatchMemory() {
  auto events = container_->OomEvents();
  if (!events) return;
  out_of_memory_ = std::move(*events);
  ::fcntl(out_of_memory_.get(), F_SETFL, O_NONBLOCK);
  auto source = surroundings_.loop.Watch(out_of_memory_);
  if (!source) return;
  memory_ = std::move(*source);
  memory_.OnReadable([this] { ReportOutOfMemory(); });
}

// What a guest was refused by its own runtime; looked at when it has ended.
void LiveContainer::ReportGuestOutOfMemory() {
  uint64_t times = 0;
  if (guest_out_of_memory_.valid() &&
      ::read(guest_out_of_memory_.get(), &times, sizeof(times)) == sizeof(times))
    surroundings_.listener.OnOutOfMemory(request_.id);
}

void LiveContainer::ReportOutOfMemory() {
  std::array<char, 4096> events;
  while (::read(out_of_memory_.get(), events.data(), events.size()) > 0) was_short_ = true;
  // The event comes before the kill is counted, which may be seen at the end only.
  if (!was_short_) return;
  const auto stats = container_->ReadStats();
  // The group is gone, which is an event as well.
  if (!stats || !stats->memory) memory_ = loop::Source();
  if (!stats || !stats->memory || stats->memory->oom_kills == oom_kills_) return;
  oom_kills_ = stats->memory->oom_kills;
  surroundings_.listener.OnOutOfMemory(request_.id);
}

void LiveContainer::NoteExit(const Exit& exit) const {
  const Status noted = WriteExitNote(request_.bundle, first_.info().pid, exit);
  if (!noted) Log(noted.error().message());
}

Result<jail::Warnings> LiveContainer::Delete() {
  jail::Warnings warnings;
  TRY(container_->Delete(jail::Force::kYes, &warnings));
  return warnings;
}

void LiveContainer::Remove(Done<void> done) {
  if (deleting_.busy())
    return done(Fail(Code::kFailedPrecondition, "container \"{}\": is being deleted", id()));
  memory_ = loop::Source();
  out_of_memory_.Close();
  removed_ = std::move(done);
  if (!attached_ && !container_->TakesTimeToDelete()) return OnDeleted(Delete());
  const auto work = [this]() -> Result<jail::Warnings> {
    auto deleted = Delete();
    TRY(LetRootGo());
    return deleted;
  };
  deleting_.Run(jail::DoAside(work), [this](auto deleted) { OnDeleted(std::move(deleted)); });
}

void LiveContainer::OnDeleted(Result<jail::Warnings> deleted) {
  for (const std::string& one : deleted.value_or(jail::Warnings())) Log(one);
  processes_.clear();
  first_.CloseStreams();
  const Done<void> done = std::exchange(removed_, nullptr);
  done(deleted ? Status() : tl::unexpected(std::move(deleted).error()));
}

Result<Process*> LiveContainer::AddProcess(ExecRequest request) {
  const State state = first_.info().state;
  if (state != State::kRunning)
    return Fail(Code::kFailedPrecondition, "cannot exec in a {} container", StateName(state));
  if (processes_.contains(request.exec_id))
    return Fail(Code::kAlreadyExists, "exec \"{}\": already exists", request.exec_id);
  std::string exec_id = request.exec_id;
  auto process = std::make_unique<ExecProcess>(*this, std::move(request));
  return processes_.emplace(std::move(exec_id), std::move(process)).first->second.get();
}

Result<Process*> LiveContainer::FindProcess(std::string_view exec_id) {
  const auto found = processes_.find(exec_id);
  if (found == processes_.end())
    return Fail(Code::kNotFound, "exec \"{}\" in container \"{}\": not found", exec_id, id());
  return found->second.get();
}

Result<Exit> LiveContainer::RemoveProcess(std::string_view exec_id) {
  const ProcessInfo info = TRY(FindProcess(exec_id))->info();
  if (info.state != State::kStopped && info.pid != 0)
    return Fail(Code::kFailedPrecondition, "cannot delete a running process");
  const auto found = processes_.find(exec_id);
  found->second->CloseStreams();
  processes_.erase(found);
  return info.exit;
}

// On v1 whoever is to be killed is frozen first, which waits for what sleeps in the kernel.
Status LiveContainer::KillAll(int signal) {
  if (signal != SIGKILL) return FinishedIfGone(container_->Kill(signal, jail::Whom::kEveryProcess));
  if (TRY(container_->Pids()).empty()) return Fail(Code::kNotFound, "process already finished");
  if (killing_.busy()) return {};
  const auto work = [this]() -> Result<jail::Warnings> {
    TRY(container_->Kill(SIGKILL, jail::Whom::kEveryProcess));
    return jail::Warnings();
  };
  killing_.Run(jail::DoAside(work), [this](const auto& killed) {
    if (!killed) Log(killed.error().message());
  });
  return {};
}

Result<std::vector<pid_t>> LiveContainer::Pids() { return container_->Pids(); }

void LiveContainer::Pause(Done<void> done) {
  if (freezing_.busy())
    return loop::Answer<void>(surroundings_.loop, std::move(done),
                              Fail(Code::kFailedPrecondition, "the container is being paused"));
  const auto work = [this]() -> Result<jail::Warnings> {
    TRY(container_->Pause());
    return jail::Warnings();
  };
  freezing_.Run(jail::DoAside(work), [this, done = std::move(done)](auto paused) {
    if (paused) paused_ = true;
    done(paused ? Status() : tl::unexpected(std::move(paused).error()));
  });
}

void LiveContainer::Resume(Done<void> done) {
  Status resumed = container_->Resume();
  if (resumed) paused_ = false;
  loop::Answer(surroundings_.loop, std::move(done), std::move(resumed));
}

ProcessInfo LiveContainer::WithPause(ProcessInfo info) const {
  if (paused_ && info.state == State::kRunning) info.state = State::kPaused;
  return info;
}

ProcessInfo FirstProcess::info() const { return container_.WithPause(LiveProcess::info()); }
ProcessInfo ExecProcess::info() const { return container_.WithPause(LiveProcess::info()); }

Status LiveContainer::Update(const oci::Resources& resources) {
  return container_->Update(resources);
}

void LiveContainer::ReadStats(Done<cgroup::Stats> done) {
  loop::Answer(surroundings_.loop, std::move(done), container_->ReadStats());
}

FirstProcess::FirstProcess(LiveContainer& container)
    : LiveProcess(container.surroundings_, container.request_.id, "", container.request_.streams),
      container_(container),
      starting_(container.surroundings_.loop) {}

void FirstProcess::Start(Done<pid_t> done) {
  if (Status begun = BeginStart(); !begun)
    return loop::Answer<pid_t>(surroundings_.loop, std::move(done),
                               tl::unexpected(std::move(begun).error()));
  starting_.Run(container_.container_->BeginStart(), [this, done](auto started) {
    for (const std::string& one : started.value_or(jail::Warnings())) container_.Log(one);
    EndStart(done, started ? Status() : tl::unexpected(std::move(started).error()));
  });
}

// With everything that a frozen container needs to die.
Status FirstProcess::Signal(int signal) {
  return FinishedIfGone(container_.container_->Kill(signal, jail::Whom::kFirstProcess));
}

void FirstProcess::OnEnd(const Exit& exit) {
  // What the kernel told of it comes before its end.
  if (container_.memory_.valid()) container_.ReportOutOfMemory();
  container_.ReportGuestOutOfMemory();
  container_.NoteExit(exit);
}

ExecProcess::ExecProcess(LiveContainer& container, ExecRequest request)
    : LiveProcess(container.surroundings_, container.request_.id, std::move(request.exec_id),
                  std::move(request.streams)),
      container_(container),
      process_(std::move(request.process)),
      config_(std::move(request.config)),
      entering_(container.surroundings_.loop) {}

void ExecProcess::Start(Done<pid_t> done) {
  if (Status begun = BeginStart(); !begun)
    return loop::Answer<pid_t>(surroundings_.loop, std::move(done),
                               tl::unexpected(std::move(begun).error()));
  OpenStreams([this, done = std::move(done)](Status ready) {
    if (ready) return Enter(done);
    EndStart(done, std::move(ready));
  });
}

void ExecProcess::Enter(Done<pid_t> done) {
  jail::ProcessOptions options;
  options.no_new_keyring = container_.request_.no_new_keyring;
  if (container_.module_.valid()) options.program = &container_.module_;
  LendStreams(&options);
  entering_.Run(
      container_.container_->BeginExec(process_, std::move(options), container_.executors_),
      [this, done = std::move(done)](Result<jail::Started> started) {
        Status adopted = started ? Adopt(*std::move(started))
                                 : Status(tl::unexpected(std::move(started).error()));
        EndStart(done, std::move(adopted));
      });
}

}  // namespace wasmoor::sandbox
