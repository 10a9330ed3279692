#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "proto/containerd/task.pb.h"
#include "proto/containerd/task.ttrpc.h"
#include "proto/wasmoor/handover.pb.h"
#include "task/metrics.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"
#include "wasmoor/task/events.h"
#include "wasmoor/task/options.h"

namespace wasmoor::task {

namespace api = ::containerd::task::v2;

// containerd.task.v2.Task and, under an alias, v3. Each function translates, asks the sandbox, and
// tells the event before it answers, as containerd's own shim does.
class TaskServer : public api::TaskService {
 public:
  // `pod` may be null.
  TaskServer(sandbox::Sandbox& sandbox, const sandbox::Pod* pod, Events& events,
             const Options& options, std::function<void()> shut_down)
      : sandbox_(sandbox),
        pod_(pod),
        events_(events),
        options_(options),
        shut_down_(std::move(shut_down)) {}

  // As Service::HandOver.
  void HandOver(handover::Tasks* state) const;
  void TakeOver(const handover::Tasks& state);
  // Whoever waits for an end may do so at another server as well.
  bool IsRepeatable(std::string_view method) const override { return method == "Wait"; }

 private:
  using CallInfo = ttrpc::CallInfo;
  using Empty = google::protobuf::Empty;
  template <typename T>
  using Reply = ttrpc::Reply<T>;

  void State(const api::StateRequest& request, const CallInfo&,
             Reply<api::StateResponse> reply) override;
  void Create(const api::CreateTaskRequest& request, const CallInfo&,
              Reply<api::CreateTaskResponse> reply) override;
  void Start(const api::StartRequest& request, const CallInfo&,
             Reply<api::StartResponse> reply) override;
  void Delete(const api::DeleteRequest& request, const CallInfo&,
              Reply<api::DeleteResponse> reply) override;
  void Pids(const api::PidsRequest& request, const CallInfo&,
            Reply<api::PidsResponse> reply) override;
  void Pause(const api::PauseRequest& request, const CallInfo&, Reply<Empty> reply) override;
  void Resume(const api::ResumeRequest& request, const CallInfo&, Reply<Empty> reply) override;
  void Checkpoint(const api::CheckpointTaskRequest& request, const CallInfo&,
                  Reply<Empty> reply) override;
  void Kill(const api::KillRequest& request, const CallInfo&, Reply<Empty> reply) override;
  void Exec(const api::ExecProcessRequest& request, const CallInfo&, Reply<Empty> reply) override;
  void ResizePty(const api::ResizePtyRequest& request, const CallInfo&,
                 Reply<Empty> reply) override;
  void CloseIO(const api::CloseIORequest& request, const CallInfo&, Reply<Empty> reply) override;
  void Update(const api::UpdateTaskRequest& request, const CallInfo&, Reply<Empty> reply) override;
  void Wait(const api::WaitRequest& request, const CallInfo&,
            Reply<api::WaitResponse> reply) override;
  void Stats(const api::StatsRequest& request, const CallInfo&,
             Reply<api::StatsResponse> reply) override;
  void Connect(const api::ConnectRequest& request, const CallInfo&,
               Reply<api::ConnectResponse> reply) override;
  void Shutdown(const api::ShutdownRequest& request, const CallInfo&, Reply<Empty> reply) override;

  // The first process if `exec_id` is empty.
  Result<sandbox::Process*> Find(const std::string& id, const std::string& exec_id);
  Result<api::StateResponse> StateOf(const api::StateRequest& request);
  Result<api::PidsResponse> PidsOf(const std::string& id);
  Status KillIt(const api::KillRequest& request);
  Status ExecIt(const api::ExecProcessRequest& request);
  Status ResizeIt(const api::ResizePtyRequest& request);
  Status UpdateIt(const api::UpdateTaskRequest& request);
  void TellStart(const std::string& id, const std::string& exec_id, pid_t pid);
  void TellDelete(const std::string& id, const api::DeleteResponse& ended);

  sandbox::Sandbox& sandbox_;
  const sandbox::Pod* const pod_;
  Events& events_;
  const Options& options_;
  std::function<void()> shut_down_;
  MetricsPacker metrics_;
  size_t being_created_ = 0;
  // Which processes are those of execs: by container, the exec's id by its pid.
  std::map<std::string, std::map<pid_t, std::string>, std::less<>> exec_pids_;
};

}  // namespace wasmoor::task
