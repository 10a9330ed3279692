#include "task/sandbox_server.h"

#include <chrono>

#include "proto/containerd/cri.pb.h"
#include "task/translate.h"
#include "wasmoor/ttrpc/any.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::task {
namespace {

namespace cri = ::runtime::v1;
using sandbox::PodRequest;

// As OCI's image index has it, which is GOARCH.
constexpr std::string_view kArchitecture =
#if defined(__x86_64__)
    "amd64";
#elif defined(__aarch64__)
    "arm64";
#elif defined(__riscv)
    "riscv64";
#elif defined(__s390x__)
    "s390x";
#else
    "";
#endif

template <typename Mappings>
std::vector<oci::IdMapping> ToMappings(const Mappings& mappings) {
  std::vector<oci::IdMapping> all;
  for (const cri::IDMapping& one : mappings)
    all.push_back(
        {.container_id = one.container_id(), .host_id = one.host_id(), .size = one.length()});
  return all;
}

void AddNamespaces(const cri::NamespaceOption& option, PodRequest* pod) {
  if (option.network() == cri::NODE) pod->network_namespace.clear();
  pod->ipc = option.ipc() == cri::NODE ? PodRequest::Scope::kNode : PodRequest::Scope::kPod;
  // CONTAINER: each has its own, by its own configuration.
  pod->pid = option.pid() == cri::POD ? PodRequest::Scope::kPod : PodRequest::Scope::kNode;
  if (option.has_userns_options() && option.userns_options().mode() == cri::POD) {
    pod->uid_mappings = ToMappings(option.userns_options().uids());
    pod->gid_mappings = ToMappings(option.userns_options().gids());
  }
}

void AddConfig(const cri::PodSandboxConfig& config, PodRequest* pod) {
  pod->hostname = config.hostname();
  pod->annotations.insert(config.annotations().begin(), config.annotations().end());
  pod->cgroup_parent = config.on_linux().cgroup_parent();
  const auto& sysctls = config.on_linux().sysctls();
  pod->sysctls.insert(sysctls.begin(), sysctls.end());
  AddNamespaces(config.on_linux().security_context().namespace_options(), pod);
}

Result<PodRequest> ToPod(const pods::CreateSandboxRequest& request, const Options& options) {
  if (request.sandbox_id().empty()) return Fail(Code::kInvalidArgument, "a pod needs an id");
  PodRequest pod;
  pod.id = request.sandbox_id();
  pod.bundle = request.bundle_path();
  pod.network_namespace = request.netns_path();
  pod.annotations.insert(request.annotations().begin(), request.annotations().end());
  pod.systemd_cgroup = options.systemd_cgroup;
  if (!ttrpc::TypeIn(request.options()).empty())
    AddConfig(TRY_AS(ttrpc::Unpack<cri::PodSandboxConfig>(request.options()), "pod \"{}\"", pod.id),
              &pod);
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
  TRY(pod_.Create(TRY(ToPod(request, options_))));
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
  pod_.Start([answer = Answer(std::move(reply))](const Result<sandbox::PodInfo>& info) {
    if (!info) return answer(tl::unexpected(info.error()));
    pods::StartSandboxResponse response;
    response.set_pid(static_cast<uint32_t>(info->pid));
    ttrpc::SetTime(info->created, response.mutable_created_at());
    answer(response);
  });
}

void SandboxServer::Platform(const pods::PlatformRequest& request, const CallInfo&,
                             Reply<pods::PlatformResponse> reply) {
  if (const Status known = Check(request.sandbox_id()); !known) return reply(known);
  pods::PlatformResponse response;
  response.mutable_platform()->set_os("linux");
  response.mutable_platform()->set_architecture(std::string(kArchitecture));
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
    pods::WaitSandboxResponse response;
    response.set_exit_status(exit->status);
    ttrpc::SetTime(exit->at, response.mutable_exited_at());
    answer(response);
  });
}

Result<pods::SandboxStatusResponse> SandboxServer::StatusOf(const std::string& id) const {
  TRY(Check(id));
  const sandbox::PodInfo info = pod_.info();
  pods::SandboxStatusResponse response;
  response.set_sandbox_id(id);
  response.set_pid(static_cast<uint32_t>(info.pid));
  // The words of CRI's PodSandboxState, by which containerd's CRI plugin finds the state.
  response.set_state(info.running ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
  ttrpc::SetTime(info.created, response.mutable_created_at());
  if (!info.running && info.pid != 0) ttrpc::SetTime(info.exit.at, response.mutable_exited_at());
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

Result<pods::SandboxMetricsResponse> SandboxServer::MetricsOf(const std::string& id) {
  TRY(Check(id));
  pods::SandboxMetricsResponse response;
  *response.mutable_metrics()->mutable_data() = TRY(metrics_.Pack(TRY(pod_.ReadStats())));
  response.mutable_metrics()->set_id(id);
  ttrpc::SetTime(std::chrono::system_clock::now(), response.mutable_metrics()->mutable_timestamp());
  return response;
}

void SandboxServer::SandboxMetrics(const pods::SandboxMetricsRequest& request, const CallInfo&,
                                   Reply<pods::SandboxMetricsResponse> reply) {
  reply(MetricsOf(request.sandbox_id()));
}

void SandboxServer::UpdateSandbox(const pods::UpdateSandboxRequest& request, const CallInfo&,
                                  Reply<pods::UpdateSandboxResponse> reply) {
  // containerd tells what it has stored anew of the pod. The pod's resources are those of the
  // control group that the kubelet keeps for it; nothing of the rest is used after the pod's start.
  reply(Check(request.sandbox_id()));
}

}  // namespace wasmoor::task
