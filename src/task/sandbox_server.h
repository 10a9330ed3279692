#pragma once

#include <functional>
#include <string>
#include <utility>

#include "proto/containerd/sandbox.pb.h"
#include "proto/containerd/sandbox.ttrpc.h"
#include "proto/wasmoor/handover.pb.h"
#include "task/metrics.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/task/options.h"

namespace wasmoor::task {

namespace pods = ::containerd::runtime::sandbox::v1;

// containerd.runtime.sandbox.v1.Sandbox: one pod per service, which is the first that it is asked
// to create.
class SandboxServer : public pods::SandboxService {
 public:
  SandboxServer(sandbox::Pod& pod, const Options& options, std::function<void()> shut_down)
      : pod_(pod), options_(options), shut_down_(std::move(shut_down)) {}

  // Whether there is a pod, or was one that nobody has shut down.
  bool occupied() const { return !id_.empty(); }

  // As Service::HandOver.
  void HandOver(handover::Tasks* state) const;
  void TakeOver(const handover::Tasks& state);
  bool IsRepeatable(std::string_view method) const override { return method == "WaitSandbox"; }

 private:
  using CallInfo = ttrpc::CallInfo;
  template <typename T>
  using Reply = ttrpc::Reply<T>;

  void CreateSandbox(const pods::CreateSandboxRequest& request, const CallInfo&,
                     Reply<pods::CreateSandboxResponse> reply) override;
  void StartSandbox(const pods::StartSandboxRequest& request, const CallInfo&,
                    Reply<pods::StartSandboxResponse> reply) override;
  void Platform(const pods::PlatformRequest& request, const CallInfo&,
                Reply<pods::PlatformResponse> reply) override;
  void StopSandbox(const pods::StopSandboxRequest& request, const CallInfo&,
                   Reply<pods::StopSandboxResponse> reply) override;
  void WaitSandbox(const pods::WaitSandboxRequest& request, const CallInfo&,
                   Reply<pods::WaitSandboxResponse> reply) override;
  void SandboxStatus(const pods::SandboxStatusRequest& request, const CallInfo&,
                     Reply<pods::SandboxStatusResponse> reply) override;
  void PingSandbox(const pods::PingRequest& request, const CallInfo&,
                   Reply<pods::PingResponse> reply) override;
  void ShutdownSandbox(const pods::ShutdownSandboxRequest& request, const CallInfo&,
                       Reply<pods::ShutdownSandboxResponse> reply) override;
  void SandboxMetrics(const pods::SandboxMetricsRequest& request, const CallInfo&,
                      Reply<pods::SandboxMetricsResponse> reply) override;
  void UpdateSandbox(const pods::UpdateSandboxRequest& request, const CallInfo&,
                     Reply<pods::UpdateSandboxResponse> reply) override;

  Status Check(const std::string& id) const;
  Status CreateIt(const pods::CreateSandboxRequest& request);
  Result<pods::SandboxStatusResponse> StatusOf(const std::string& id) const;
  Result<pods::SandboxMetricsResponse> MetricsOf(const std::string& id,
                                                 const Result<cgroup::Stats>& stats);

  sandbox::Pod& pod_;
  const Options& options_;
  std::function<void()> shut_down_;
  MetricsPacker metrics_;
  std::string id_;
  std::string network_namespace_;  // As sandbox::PodRequest has it.
};

}  // namespace wasmoor::task
