
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "sandbox/exit_note.h"
#include "sandbox/inproc/hosted_exec.h"
#include "sandbox/root_messages.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/oci/bundle.h"

namespace wasmoor::sandbox {
namespace {

host::Exec ToExec(uint64_t container, const oci::Process& process) {
  host::Exec exec;
  exec.set_container(container);
  for (const std::string& one : process.args) exec.add_args(one);
  for (const std::string& one : process.env) exec.add_env(one);
  exec.set_cwd(process.cwd);
  exec.set_uid(process.user.uid);
  exec.set_gid(process.user.gid);
  for (const gid_t one : process.user.additional_gids) exec.add_groups(one);
  if (process.user.umask) exec.set_umask(*process.user.umask);
  return exec;
}

}  // namespace

HostedContainer::ExecProcess::ExecProcess(InprocParts& parts, HostedContainer& container,
                                          ExecRequest request)
    : HostedProcess(parts, container.id(), request.exec_id, request.streams),
      parts_(parts),
      container_(container),
      process_(std::move(request.process)),
      config_(std::move(request.config)) {}

void HostedContainer::ExecProcess::Start(Done<pid_t> done) {
  if (state() != State::kCreated || begun_)
    return loop::Answer<pid_t>(
        parts_.loop, std::move(done),
        Fail(Code::kFailedPrecondition, "cannot start a process that was started"));
  begun_ = true;
  host::Order order;
  *order.mutable_exec() = ToExec(container_.first_.guest(), process_);
  Make(container_.first_.link(), std::move(order), nullptr,
       [this, done = std::move(done)](Status made) {
         if (made) return HostedProcess::Start(done);
         begun_ = false;
         done(tl::unexpected(std::move(made).error()));
       });
}

HostedContainer::HostedContainer(InprocParts& parts, CreateRequest request)
    : parts_(parts),
      request_(std::move(request)),
      first_(parts, request_.id, "", request_.streams) {
  first_.on_end = [this](const Exit& exit) {
    const Status noted = WriteExitNote(bundle(), first_.info().pid, exit);
    if (!noted && parts_.log) parts_.log(noted.error().message());
    EndOthers();
  };
}

HostedContainer::~HostedContainer() = default;

host::Order HostedContainer::OrderFor() const {
  host::Order order;
  host::Create& create = *order.mutable_create();
  create.set_id(request_.id);
  create.set_bundle(request_.bundle);
  create.set_pod(parts_.pod);
  WriteRootMounts(request_.rootfs, create.mutable_rootfs());
  host::Bounds& bounds = *create.mutable_bounds();
  if (request_.guest.memory_bytes) bounds.set_memory_bytes(*request_.guest.memory_bytes);
  if (request_.guest.table_elements) bounds.set_table_elements(*request_.guest.table_elements);
  host::HttpBounds& http = *bounds.mutable_http();
  http.set_address(request_.guest.http_address);
  if (const auto& outgoing = request_.guest.http_outgoing) {
    http.set_is_outgoing_bound(true);
    http.mutable_outgoing()->Assign(outgoing->begin(), outgoing->end());
  }
  return order;
}

void HostedContainer::Create(Done<void> done) {
  created_ = std::move(done);
  auto link = parts_.hosts.Pick();
  if (!link)
    return loop::Answer<void>(parts_.loop, std::exchange(created_, nullptr),
                              tl::unexpected(std::move(link).error()));
  first_.Make(*std::move(link), OrderFor(), module_.valid() ? &module_ : nullptr,
              [this](Status made) { OnMade(std::move(made)); });
}

void HostedContainer::OnMade(Status made) {
  if (!made && made.error().code() == Code::kNotFound && parts_.find_module && !looked_for_module_)
    return LookForModule(std::move(made).error());
  exists_ = made.has_value();
  const Done<void> done = std::exchange(created_, nullptr);
  done(std::move(made));
}

// The image may be an artifact, which has no root filesystem.
void HostedContainer::LookForModule(Error why) {
  looked_for_module_ = true;
  FindModuleInstead(parts_.find_module, request_.id, request_.bundle, std::move(why),
                    [this](Result<os::Fd> found) {
                      if (!found) return OnMade(tl::unexpected(std::move(found).error()));
                      module_ = std::move(*found);
                      Create(std::exchange(created_, nullptr));
                    });
}

void HostedContainer::EndOthers() {
  for (const auto& [exec_id, process] : processes_) static_cast<void>(process->Kill(SIGKILL));
}

void HostedContainer::Remove(Done<void> done) {
  // A host that died has left its groups.
  if (first_.lost()) {
    const auto bundle = oci::Bundle::Open(request_.bundle);
    const Status removed =
        bundle ? cgroup::RemoveThreadGroup(bundle->spec.on_linux.cgroups_path) : Status();
    if (!removed && parts_.log) parts_.log(removed.error().message());
  }
  first_.Remove(std::move(done));
}

void HostedContainer::RemoveProcess(std::string_view exec_id, Done<Exit> done) {
  const auto found = processes_.find(exec_id);
  if (found == processes_.end())
    return loop::Answer<Exit>(parts_.loop, std::move(done),
                              Fail(Code::kNotFound,
                                   "exec \"{}\" in container "
                                   "\"{}\": not found",
                                   exec_id, id()));
  const ProcessInfo info = found->second->info();
  if (info.state != State::kStopped && (info.pid != 0 || found->second->begun()))
    return loop::Answer<Exit>(parts_.loop, std::move(done),
                              Fail(Code::kFailedPrecondition, "cannot delete a running process"));
  std::shared_ptr<ExecProcess> gone = std::move(found->second);
  processes_.erase(found);
  gone->Remove([this, gone, done = std::move(done)](const Status& removed) {
    // The object is the one that calls.
    parts_.loop.Post([gone] {});
    if (!removed) return done(tl::unexpected(removed.error()));
    done(gone->info().exit);
  });
}

Result<Process*> HostedContainer::AddProcess(ExecRequest request) {
  const State state = first_.state();
  if (state != State::kRunning)
    return Fail(Code::kFailedPrecondition, "cannot exec in a {} container", StateName(state));
  if (processes_.contains(request.exec_id))
    return Fail(Code::kAlreadyExists, "exec \"{}\": already exists", request.exec_id);
  std::string exec_id = request.exec_id;
  auto process = std::make_unique<ExecProcess>(parts_, *this, std::move(request));
  return processes_.emplace(std::move(exec_id), std::move(process)).first->second.get();
}

Result<Process*> HostedContainer::FindProcess(std::string_view exec_id) {
  const auto found = processes_.find(exec_id);
  if (found == processes_.end())
    return Fail(Code::kNotFound, "exec \"{}\" in container \"{}\": not found", exec_id, id());
  return found->second.get();
}

Status HostedContainer::KillAll(int signal) {
  for (const auto& [exec_id, process] : processes_) static_cast<void>(process->Kill(signal));
  return first_.Kill(signal);
}

Result<std::vector<pid_t>> HostedContainer::Pids() {
  std::vector<pid_t> pids = {first_.info().pid};
  for (const auto& [exec_id, process] : processes_) {
    const ProcessInfo info = process->info();
    if (info.state == State::kRunning) pids.push_back(info.pid);
  }
  return pids;
}

void HostedContainer::ReadUse(const std::function<void(const GuestUse&)>& tell) {
  const auto answer = [tell](const Result<host::Stats>& told) {
    if (told)
      tell({.memory_bytes = told->memory_bytes(),
            .cpu_ns = told->cpu_ns(),
            .cpu_in_group = told->cpu_in_group()});
  };
  first_.ReadUse(answer);
  for (const auto& [exec_id, process] : processes_) process->ReadUse(answer);
}

void HostedContainer::Pause(Done<void> done) {
  for (const auto& [exec_id, process] : processes_)
    if (process->state() == State::kRunning) process->Pause([](const Status&) {});
  first_.Pause(std::move(done));
}

void HostedContainer::Resume(Done<void> done) {
  for (const auto& [exec_id, process] : processes_)
    if (process->state() == State::kPaused) process->Resume([](const Status&) {});
  first_.Resume(std::move(done));
}

Status HostedContainer::Update(const oci::Resources& resources) {
  host::Order order;
  order.set_guest(first_.guest());
  host::Update& update = *order.mutable_update();
  if (resources.memory && resources.memory->limit && *resources.memory->limit > 0)
    update.set_memory_bytes(static_cast<uint64_t>(*resources.memory->limit));
  if (resources.cpu) {
    if (resources.cpu->quota) update.set_cpu_quota(*resources.cpu->quota);
    if (resources.cpu->period) update.set_cpu_period(*resources.cpu->period);
    if (resources.cpu->shares) update.set_cpu_shares(*resources.cpu->shares);
  }
  if (!first_.link()) return Fail(Code::kFailedPrecondition, "the container has ended");
  first_.link()->Send(order);
  return {};
}

}  // namespace wasmoor::sandbox
