#include "task/task_server.h"

#include <google/protobuf/empty.pb.h>
#include <unistd.h>

#include <csignal>
#include <limits>
#include <utility>

#include "proto/containerd/runc_options.pb.h"
#include "proto/containerd/task_events.pb.h"
#include "task/pod_files.h"
#include "task/topics.h"
#include "task/translate.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/ttrpc/any.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::task {

namespace events = ::containerd::events;

Result<sandbox::Process*> TaskServer::Find(const std::string& id, const std::string& exec_id) {
  sandbox::Container* container = TRY(sandbox_.Find(id));
  if (exec_id.empty()) return &container->first();
  return container->FindProcess(exec_id);
}

void TaskServer::Create(const api::CreateTaskRequest& request, const CallInfo&,
                        Reply<api::CreateTaskResponse> reply) {
  Result<sandbox::CreateRequest> create = ToCreate(request, options_);
  if (!create) return reply(tl::unexpected(create.error()));
  if (const auto files = pod_ != nullptr ? pod_->files() : std::vector<sandbox::PodFile>();
      !files.empty()) {
    if (Status added = AddPodFiles(create->bundle, files); !added)
      return reply(tl::unexpected(std::move(added).error()));
  }
  events::TaskCreate event;
  event.set_container_id(request.id());
  event.set_bundle(request.bundle());
  *event.mutable_rootfs() = request.rootfs();
  event.mutable_io()->set_stdin(request.stdin());
  event.mutable_io()->set_stdout(request.stdout());
  event.mutable_io()->set_stderr(request.stderr());
  event.mutable_io()->set_terminal(request.terminal());
  ++being_created_;
  sandbox_.Create(*std::move(create),
                  [this, event = std::move(event),
                   answer = Answer(std::move(reply))](Result<sandbox::Container*> made) mutable {
                    --being_created_;
                    if (!made) return answer(tl::unexpected(made.error()));
                    api::CreateTaskResponse response;
                    response.set_pid(static_cast<uint32_t>((*made)->first().info().pid));
                    event.set_pid(response.pid());
                    events_.Publish(kCreateTopic, event);
                    answer(response);
                  });
}

void TaskServer::TellStart(const std::string& id, const std::string& exec_id, pid_t pid) {
  if (exec_id.empty()) {
    events::TaskStart event;
    event.set_container_id(id);
    event.set_pid(static_cast<uint32_t>(pid));
    return events_.Publish(kStartTopic, event);
  }
  exec_pids_[id][pid] = exec_id;
  events::TaskExecStarted event;
  event.set_container_id(id);
  event.set_exec_id(exec_id);
  event.set_pid(static_cast<uint32_t>(pid));
  events_.Publish(kExecStartedTopic, event);
}

void TaskServer::Start(const api::StartRequest& request, const CallInfo&,
                       Reply<api::StartResponse> reply) {
  const Result<sandbox::Process*> process = Find(request.id(), request.exec_id());
  if (!process) return reply(tl::unexpected(process.error()));
  (*process)->Start([this, id = request.id(), exec_id = request.exec_id(),
                     answer = Answer(std::move(reply))](const Result<pid_t>& pid) {
    if (!pid) return answer(tl::unexpected(pid.error()));
    TellStart(id, exec_id, *pid);
    api::StartResponse response;
    response.set_pid(static_cast<uint32_t>(*pid));
    answer(response);
  });
}

void TaskServer::TellDelete(const std::string& id, const api::DeleteResponse& ended) {
  events::TaskDelete event;
  event.set_container_id(id);
  event.set_pid(ended.pid());
  event.set_exit_status(ended.exit_status());
  *event.mutable_exited_at() = ended.exited_at();
  events_.Publish(kDeleteTopic, event);
}

void TaskServer::Delete(const api::DeleteRequest& request, const CallInfo&,
                        Reply<api::DeleteResponse> reply) {
  const Result<sandbox::Process*> process = Find(request.id(), request.exec_id());
  if (!process) return reply(tl::unexpected(process.error()));
  const pid_t pid = (*process)->info().pid;
  sandbox_.Remove(request.id(), request.exec_id(),
                  [this, pid, id = request.id(), exec_id = request.exec_id(),
                   answer = Answer(std::move(reply))](const Result<sandbox::Exit>& exit) {
                    if (!exit) return answer(tl::unexpected(exit.error()));
                    api::DeleteResponse response;
                    response.set_pid(static_cast<uint32_t>(pid));
                    response.set_exit_status(exit->status);
                    ttrpc::SetTime(exit->at, response.mutable_exited_at());
                    if (exec_id.empty()) {
                      exec_pids_.erase(id);
                      TellDelete(id, response);
                    } else if (const auto of = exec_pids_.find(id); of != exec_pids_.end()) {
                      of->second.erase(pid);
                    }
                    answer(response);
                  });
}

Result<api::StateResponse> TaskServer::StateOf(const api::StateRequest& request) {
  const sandbox::Container* container = TRY(sandbox_.Find(request.id()));
  const sandbox::ProcessInfo info = TRY(Find(request.id(), request.exec_id()))->info();
  api::StateResponse response;
  // Of an exec its own, as containerd's shim has it.
  response.set_id(request.exec_id().empty() ? request.id() : request.exec_id());
  response.set_exec_id(request.exec_id());
  response.set_bundle(container->bundle());
  response.set_pid(static_cast<uint32_t>(info.pid));
  response.set_status(StatusOf(info.state));
  response.set_stdin(info.streams.input);
  response.set_stdout(info.streams.output);
  response.set_stderr(info.streams.error);
  response.set_terminal(info.streams.terminal);
  if (info.state == sandbox::State::kStopped) {
    response.set_exit_status(info.exit.status);
    ttrpc::SetTime(info.exit.at, response.mutable_exited_at());
  }
  return response;
}

void TaskServer::State(const api::StateRequest& request, const CallInfo&,
                       Reply<api::StateResponse> reply) {
  reply(StateOf(request));
}

Result<api::PidsResponse> TaskServer::PidsOf(const std::string& id) {
  sandbox::Container* container = TRY(sandbox_.Find(id));
  const sandbox::ProcessInfo first = container->first().info();
  // A task without any process is one that containerd, when it is started again, takes for leaked
  // and deletes; the status that it ended with would be lost. So its first process stands for it as
  // long as it is there; also while the kernel knows already that it has ended, and nobody here.
  std::vector<pid_t> pids;
  if (first.state != sandbox::State::kStopped) pids = TRY(container->Pids());
  if (pids.empty()) pids = {first.pid};
  const auto execs = exec_pids_.find(id);
  api::PidsResponse response;
  for (const pid_t pid : pids) {
    auto* process = response.add_processes();
    process->set_pid(static_cast<uint32_t>(pid));
    if (execs == exec_pids_.end()) continue;
    if (const auto exec = execs->second.find(pid); exec != execs->second.end()) {
      ::containerd::runc::v1::ProcessDetails details;
      details.set_exec_id(exec->second);
      ttrpc::Pack(details, process->mutable_info());
    }
  }
  return response;
}

void TaskServer::Pids(const api::PidsRequest& request, const CallInfo&,
                      Reply<api::PidsResponse> reply) {
  reply(PidsOf(request.id()));
}

void TaskServer::Pause(const api::PauseRequest& request, const CallInfo&, Reply<Empty> reply) {
  const Result<sandbox::Container*> container = sandbox_.Find(request.id());
  if (!container) return reply(tl::unexpected(container.error()));
  (*container)
      ->Pause([this, id = request.id(), answer = Answer(std::move(reply))](const Status& paused) {
        if (paused) {
          events::TaskPaused event;
          event.set_container_id(id);
          events_.Publish(kPausedTopic, event);
        }
        answer(paused);
      });
}

void TaskServer::Resume(const api::ResumeRequest& request, const CallInfo&, Reply<Empty> reply) {
  const Result<sandbox::Container*> container = sandbox_.Find(request.id());
  if (!container) return reply(tl::unexpected(container.error()));
  (*container)
      ->Resume([this, id = request.id(), answer = Answer(std::move(reply))](const Status& resumed) {
        if (resumed) {
          events::TaskResumed event;
          event.set_container_id(id);
          events_.Publish(kResumedTopic, event);
        }
        answer(resumed);
      });
}

void TaskServer::Checkpoint(const api::CheckpointTaskRequest& request, const CallInfo&,
                            Reply<Empty> reply) {
  reply(
      Fail(Code::kUnimplemented, "container \"{}\": checkpoints are not supported", request.id()));
}

Status TaskServer::KillIt(const api::KillRequest& request) {
  if (request.signal() >= static_cast<uint32_t>(NSIG))
    return Fail(Code::kInvalidArgument, "kill \"{}\": there is no signal {}", request.id(),
                request.signal());
  const int signal = static_cast<int>(request.signal());
  sandbox::Container* container = TRY(sandbox_.Find(request.id()));
  if (request.exec_id().empty())
    return request.all() ? container->KillAll(signal) : container->first().Kill(signal);
  sandbox::Process* process = TRY(container->FindProcess(request.exec_id()));
  // containerd takes "not found" for "has ended".
  if (process->info().state == sandbox::State::kCreated)
    return Fail(Code::kFailedPrecondition,
                "process not created: exec \"{}\" of \"{}\" has not been "
                "started",
                request.exec_id(), request.id());
  return process->Kill(signal);
}

void TaskServer::Kill(const api::KillRequest& request, const CallInfo&, Reply<Empty> reply) {
  reply(KillIt(request));
}

Status TaskServer::ExecIt(const api::ExecProcessRequest& request) {
  sandbox::Container* container = TRY(sandbox_.Find(request.id()));
  TRY(container->AddProcess(TRY(ToExec(request))));
  events::TaskExecAdded event;
  event.set_container_id(request.id());
  event.set_exec_id(request.exec_id());
  events_.Publish(kExecAddedTopic, event);
  return {};
}

void TaskServer::Exec(const api::ExecProcessRequest& request, const CallInfo&, Reply<Empty> reply) {
  reply(ExecIt(request));
}

Status TaskServer::ResizeIt(const api::ResizePtyRequest& request) {
  sandbox::Process* process = TRY(Find(request.id(), request.exec_id()));
  constexpr uint32_t kMost = std::numeric_limits<uint16_t>::max();  // ioctl_tty(2), winsize.
  if (request.width() > kMost || request.height() > kMost)
    return Fail(Code::kInvalidArgument, "\"{}\": no terminal is {} x {}", request.id(),
                request.width(), request.height());
  return process->Resize(static_cast<uint16_t>(request.width()),
                         static_cast<uint16_t>(request.height()));
}

void TaskServer::ResizePty(const api::ResizePtyRequest& request, const CallInfo&,
                           Reply<Empty> reply) {
  reply(ResizeIt(request));
}

void TaskServer::CloseIO(const api::CloseIORequest& request, const CallInfo&, Reply<Empty> reply) {
  const Result<sandbox::Process*> process = Find(request.id(), request.exec_id());
  if (!process) return reply(tl::unexpected(process.error()));
  reply(request.stdin() ? (*process)->CloseInput() : Status());
}

Status TaskServer::UpdateIt(const api::UpdateTaskRequest& request) {
  sandbox::Container* container = TRY(sandbox_.Find(request.id()));
  const oci::Resources resources =
      TRY_AS(oci::ParseResources(request.resources().value()), "update \"{}\"", request.id());
  return container->Update(resources);
}

void TaskServer::Update(const api::UpdateTaskRequest& request, const CallInfo&,
                        Reply<Empty> reply) {
  reply(UpdateIt(request));
}

void TaskServer::Wait(const api::WaitRequest& request, const CallInfo&,
                      Reply<api::WaitResponse> reply) {
  const Result<sandbox::Process*> process = Find(request.id(), request.exec_id());
  if (!process) return reply(tl::unexpected(process.error()));
  (*process)->Wait([answer = Answer(std::move(reply))](const Result<sandbox::Exit>& exit) {
    if (!exit) return answer(tl::unexpected(exit.error()));
    api::WaitResponse response;
    response.set_exit_status(exit->status);
    ttrpc::SetTime(exit->at, response.mutable_exited_at());
    answer(response);
  });
}

void TaskServer::Stats(const api::StatsRequest& request, const CallInfo&,
                       Reply<api::StatsResponse> reply) {
  const auto container = sandbox_.Find(request.id());
  if (!container) return reply(tl::unexpected(container.error()));
  (*container)
      ->ReadStats([this, answer = Answer(std::move(reply))](const Result<cgroup::Stats>& stats) {
        const auto pack = [&]() -> Result<api::StatsResponse> {
          api::StatsResponse response;
          *response.mutable_stats() = TRY(metrics_.Pack(TRY(Result<cgroup::Stats>(stats))));
          return response;
        };
        answer(pack());
      });
}

void TaskServer::Connect(const api::ConnectRequest& request, const CallInfo&,
                         Reply<api::ConnectResponse> reply) {
  api::ConnectResponse response;
  response.set_shim_pid(static_cast<uint32_t>(getpid()));
  // Asked also of a container that is not there: containerd wants to know whether anybody serves.
  if (const Result<sandbox::Container*> container = sandbox_.Find(request.id()))
    response.set_task_pid(static_cast<uint32_t>((*container)->first().info().pid));
  reply(response);
}

void TaskServer::Shutdown(const api::ShutdownRequest&, const CallInfo&, Reply<Empty> reply) {
  // Sent after every container's delete.
  const bool idle = being_created_ == 0 && sandbox_.Ids().empty();
  reply(Empty());
  if (idle) shut_down_();
}

void TaskServer::HandOver(handover::Tasks* state) const {
  for (const auto& [container, execs] : exec_pids_) {
    for (const auto& [pid, exec_id] : execs) {
      handover::Tasks::Exec& one = *state->add_execs();
      one.set_container(container);
      one.set_pid(pid);
      one.set_exec_id(exec_id);
    }
  }
}

void TaskServer::TakeOver(const handover::Tasks& state) {
  for (const handover::Tasks::Exec& one : state.execs())
    exec_pids_[one.container()][one.pid()] = one.exec_id();
}

}  // namespace wasmoor::task
