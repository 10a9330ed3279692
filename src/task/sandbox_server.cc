#include "task/sandbox_server.h"

#include "task/pod_messages.h"
#include "task/translate.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::task {
namespace {

using sandbox::PodRequest;

Result<PodRequest> ToPod(const pods::CreateSandboxRequest& request, const Options& options) {
  if (request.sandbox_id().empty()) return Fail(Code::kInvalidArgument, "a pod needs an id");
  PodRequest pod;
  pod.id = request.sandbox_id();
  pod.bundle = request.bundle_path();
  pod.network_namespace = request.netns_path();
  pod.annotations.insert(request.annotations().begin(), request.annotations().end());
  pod.systemd_cgroup = options.systemd_cgroup;
  TRY(ApplyConfiguration(request.options(), &pod));
  return pod;
}

}  // namespace

Status SandboxServer::Check(const std::string& id) const {
  if (id.empty() || id != id_) return Fail(Code::kNotFound, "pod \"{}\": not found", id);
  return {};
}

Status SandboxServer::CreateIt(const pods::CreateSandboxRequest& request) {
  if (occupied())
    return Fail(Code::kAlreadyExists, "pod \"{}\": this shim has the pod \"{}\"",
                request.sandbox_id(), id_);
  PodRequest pod = TRY(ToPod(request, options_));
  network_namespace_ = pod.network_namespace;
  TRY(pod_.Create(std::move(pod)));
  id_ = request.sandbox_id();
  return {};
}

void SandboxServer::CreateSandbox(const pods::CreateSandboxRequest& request, const CallInfo&,
                                  Reply<pods::CreateSandboxResponse> reply) {
  reply(CreateIt(request));
}

void SandboxServer::StartSandbox(const pods::StartSandboxRequest& request, const CallInfo&,
                                 Reply<pods::StartSandboxResponse> reply) {
  if (const Status known = Check(request.sandbox_id()); !known) return reply(known);
  pod_.Start([answer = Answer(std::move(reply)),
              spec = SpecificationOf(network_namespace_)](const Result<sandbox::PodInfo>& info) {
    if (!info) return answer(tl::unexpected(info.error()));
    pods::StartSandboxResponse response;
    response.set_pid(static_cast<uint32_t>(info->pid));
    ttrpc::SetTime(info->created, response.mutable_created_at());
    *response.mutable_spec() = spec;
    answer(response);
  });
}

void SandboxServer::Platform(const pods::PlatformRequest& request, const CallInfo&,
                             Reply<pods::PlatformResponse> reply) {
  if (const Status known = Check(request.sandbox_id()); !known) return reply(known);
  pods::PlatformResponse response;
  *response.mutable_platform() = ThisPlatform();
  reply(response);
}

void SandboxServer::StopSandbox(const pods::StopSandboxRequest& request, const CallInfo&,
                                Reply<pods::StopSandboxResponse> reply) {
  if (const Status known = Check(request.sandbox_id()); !known) return reply(known);
  pod_.Stop([answer = Answer(std::move(reply))](const Status& stopped) { answer(stopped); });
}

void SandboxServer::WaitSandbox(const pods::WaitSandboxRequest& request, const CallInfo&,
                                Reply<pods::WaitSandboxResponse> reply) {
  if (const Status known = Check(request.sandbox_id()); !known) return reply(known);
  pod_.Wait([answer = Answer(std::move(reply))](const Result<sandbox::Exit>& exit) {
    if (!exit) return answer(tl::unexpected(exit.error()));
    answer(ToExited<pods::WaitSandboxResponse>(*exit));
  });
}

Result<pods::SandboxStatusResponse> SandboxServer::StatusOf(const std::string& id) const {
  TRY(Check(id));
  pods::SandboxStatusResponse response;
  SetStatus(id, pod_.info(), &response);
  return response;
}

void SandboxServer::SandboxStatus(const pods::SandboxStatusRequest& request, const CallInfo&,
                                  Reply<pods::SandboxStatusResponse> reply) {
  reply(StatusOf(request.sandbox_id()));
}

void SandboxServer::PingSandbox(const pods::PingRequest& request, const CallInfo&,
                                Reply<pods::PingResponse> reply) {
  reply(Check(request.sandbox_id()));
}

void SandboxServer::ShutdownSandbox(const pods::ShutdownSandboxRequest& request, const CallInfo&,
                                    Reply<pods::ShutdownSandboxResponse> reply) {
  // Also of a pod that was never made: containerd wants the shim to end then.
  if (!id_.empty() && request.sandbox_id() != id_) return reply(Check(request.sandbox_id()));
  const auto done = [this, answer = Answer(std::move(reply))](const Status& stopped) {
    if (stopped) id_.clear();
    answer(stopped);
    if (stopped) shut_down_();
  };
  if (id_.empty()) return done({});
  pod_.Stop(done);
}

Result<pods::SandboxMetricsResponse> SandboxServer::MetricsOf(const std::string& id,
                                                              const Result<cgroup::Stats>& stats) {
  if (!stats) return tl::unexpected(stats.error());
  pods::SandboxMetricsResponse response;
  *response.mutable_metrics() = TRY(ToMetric(id, *stats, &metrics_));
  return response;
}

void SandboxServer::SandboxMetrics(const pods::SandboxMetricsRequest& request, const CallInfo&,
                                   Reply<pods::SandboxMetricsResponse> reply) {
  const std::string& id = request.sandbox_id();
  if (const auto known = Check(id); !known) return reply(tl::unexpected(known.error()));
  const auto shared = std::make_shared<Reply<pods::SandboxMetricsResponse>>(std::move(reply));
  pod_.ReadStats(
      [this, id, shared](const Result<cgroup::Stats>& stats) { (*shared)(MetricsOf(id, stats)); });
}

void SandboxServer::UpdateSandbox(const pods::UpdateSandboxRequest& request, const CallInfo&,
                                  Reply<pods::UpdateSandboxResponse> reply) {
  // containerd tells what it has stored anew of the pod. The pod's resources are those of the
  // control group that the kubelet keeps for it; nothing of the rest is used after the pod's start.
  reply(Check(request.sandbox_id()));
}

void SandboxServer::HandOver(handover::Tasks* state) const {
  state->set_pod(id_);
  state->set_pod_network(network_namespace_);
}

void SandboxServer::TakeOver(const handover::Tasks& state) {
  id_ = state.pod();
  network_namespace_ = state.pod_network();
}

}  // namespace wasmoor::task
