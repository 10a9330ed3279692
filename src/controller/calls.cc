#include "controller/calls.h"

#include <utility>
#include <vector>

#include "task/pod_messages.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::controller {
namespace {

constexpr std::string_view kNamespaceHeader = "containerd-namespace";

template <typename T>
std::shared_ptr<grpc::Reply<T>> Share(grpc::Reply<T> reply) {
  return std::make_shared<grpc::Reply<T>>(std::move(reply));
}

}  // namespace

template <typename Request, typename Response>
void Service::Calls::Take(void (Calls::*function)(const Key&, const Request&, Reply<Response>),
                          std::string_view message, const grpc::CallInfo& info,
                          grpc::RawReply reply) {
  Request request;
  if (!ttrpc::Parse(message, &request))
    return reply(Error(Code::kInvalidArgument,
                       fmt::format("{}: the message is not its request", info.method)));
  const Key key = {.name_space = std::string(info.Find(kNamespaceHeader).value_or("")),
                   .id = request.sandbox_id()};
  if (key.name_space.empty())
    return reply(Error(Code::kInvalidArgument,
                       fmt::format("{}: the call's metadata must name a namespace, as {}",
                                   info.method, kNamespaceHeader)));
  if (key.id.empty())
    return reply(Error(Code::kInvalidArgument, fmt::format("{}: a pod needs an id", info.method)));
  (this->*function)(key, request, Reply<Response>(std::move(reply)));
}

void Service::Calls::Call(std::string_view method, std::string_view message,
                          const grpc::CallInfo& info, grpc::RawReply reply) {
  const auto take = [&](auto function) { Take(function, message, info, std::move(reply)); };
  if (method == "Create") return take(&Calls::Create);
  if (method == "Start") return take(&Calls::Start);
  if (method == "Platform") return take(&Calls::Platform);
  if (method == "Stop") return take(&Calls::Stop);
  if (method == "Wait") return take(&Calls::Wait);
  if (method == "Status") return take(&Calls::Status);
  if (method == "Shutdown") return take(&Calls::Shutdown);
  if (method == "Metrics") return take(&Calls::Metrics);
  if (method == "Update") return take(&Calls::Update);
  grpc::Unimplemented(info, std::move(reply));
}

void Service::Calls::Close() {
  closed_ = true;
  sweep_ = loop::Timer();
  waiting_.clear();
}

void Service::Calls::Create(const Key& key, const api::ControllerCreateRequest& request,
                            Reply<api::ControllerCreateResponse> reply) {
  auto create = ToCreate(key, request, pods_.options());
  if (!create) return reply(tl::unexpected(std::move(create).error()));
  const auto created = [self = shared_from_this(), key, network = create->pod.network_namespace,
                        shared = Share(std::move(reply))](const wasmoor::Status& made) {
    self->Created(key, network, made, shared);
  };
  pods_.Create(*std::move(create), created);
}

void Service::Calls::Created(const Key& key, const std::string& network_namespace,
                             const wasmoor::Status& made,
                             const Shared<api::ControllerCreateResponse>& reply) {
  if (closed_) return;
  if (!made) return (*reply)(tl::unexpected(made.error()));
  if (reply->gone()) return Forget(key);
  unstarted_[key] = {Clock::now() + unstarted_patience_, network_namespace};
  if (!sweep_.pending()) sweep_ = loop_.After(unstarted_patience_, [this] { Sweep(); });
  api::ControllerCreateResponse response;
  response.set_sandbox_id(key.id);
  (*reply)(response);
}

void Service::Calls::Start(const Key& key, const api::ControllerStartRequest&,
                           Reply<api::ControllerStartResponse> reply) {
  if (!starting_.insert(key).second)
    return reply(Fail(Code::kFailedPrecondition, "pod \"{}\": is being started already", key.id));
  const auto unstarted = unstarted_.extract(key);
  const std::string network = unstarted ? unstarted.mapped().network_namespace : "";
  pods_.Start(
      key, [self = shared_from_this(), key, network, shared = Share(std::move(reply))](
               const Result<PodStatus>& status) { self->Started(key, network, status, shared); });
}

void Service::Calls::Started(const Key& key, const std::string& network_namespace,
                             const Result<PodStatus>& status,
                             const Shared<api::ControllerStartResponse>& reply) {
  starting_.erase(key);
  if (closed_) return;
  if (status && !reply->gone()) return (*reply)(ToStarted(key, *status, network_namespace));
  // One that ran before stays: what failed was to start it again.
  const Result<PodStatus> now = pods_.Find(key);
  if (now && (status || (!now->info.running && now->info.pid == 0))) Forget(key);
  if (!status) (*reply)(tl::unexpected(status.error()));
}

void Service::Calls::Platform(const Key& key, const api::ControllerPlatformRequest&,
                              Reply<api::ControllerPlatformResponse> reply) {
  if (const auto known = pods_.Find(key); !known) return reply(tl::unexpected(known.error()));
  api::ControllerPlatformResponse response;
  *response.mutable_platform() = task::ThisPlatform();
  reply(response);
}

void Service::Calls::Stop(const Key& key, const api::ControllerStopRequest& request,
                          Reply<api::ControllerStopResponse> reply) {
  pods_.Stop(
      key, std::chrono::seconds(request.timeout_secs()),
      [shared = Share(std::move(reply))](const wasmoor::Status& stopped) { (*shared)(stopped); });
}

// The pods are asked once, however often containerd is started again and asks anew.
void Service::Calls::Wait(const Key& key, const api::ControllerWaitRequest&,
                          Reply<api::ControllerWaitResponse> reply) {
  const auto [found, first] = waiting_.try_emplace(key);
  Waiters& waiters = found->second;
  const auto waiter = waiters.insert(waiters.end(), std::move(reply));
  waiter->OnGone([&waiters, waiter] { waiters.erase(waiter); });
  if (!first) return;
  pods_.Wait(key, [self = shared_from_this(), key](const Result<sandbox::Exit>& exit) {
    self->Ended(key, exit);
  });
}

void Service::Calls::Ended(const Key& key, const Result<sandbox::Exit>& exit) {
  auto ended = waiting_.extract(key);
  if (ended.empty()) return;
  for (auto& reply : ended.mapped()) {
    if (exit)
      reply(task::ToExited<api::ControllerWaitResponse>(*exit));
    else
      reply(tl::unexpected(exit.error()));
  }
}

void Service::Calls::Status(const Key& key, const api::ControllerStatusRequest& request,
                            Reply<api::ControllerStatusResponse> reply) {
  const auto status = pods_.Find(key);
  if (!status) return reply(tl::unexpected(status.error()));
  reply(ToStatus(key, *status, request.verbose()));
}

void Service::Calls::Shutdown(const Key& key, const api::ControllerShutdownRequest&,
                              Reply<api::ControllerShutdownResponse> reply) {
  unstarted_.erase(key);
  pods_.Remove(key, [shared = Share(std::move(reply))](const wasmoor::Status& removed) {
    (*shared)(removed);
  });
}

Result<api::ControllerMetricsResponse> Service::Calls::MetricsOf(
    const Key& key, const Result<cgroup::Stats>& stats) {
  if (!stats) return tl::unexpected(stats.error());
  api::ControllerMetricsResponse response;
  *response.mutable_metrics() = TRY(task::ToMetric(key.id, *stats, &metrics_));
  return response;
}

void Service::Calls::Metrics(const Key& key, const api::ControllerMetricsRequest&,
                             Reply<api::ControllerMetricsResponse> reply) {
  pods_.ReadStats(
      key, [self = shared_from_this(), key, shared = Share(std::move(reply))](
               const Result<cgroup::Stats>& stats) { (*shared)(self->MetricsOf(key, stats)); });
}

// containerd tells what it has stored anew of the pod. The pod's resources are those of the control
// group that the kubelet keeps for it; nothing of the rest is used after the pod's start.
void Service::Calls::Update(const Key& key, const api::ControllerUpdateRequest&,
                            Reply<api::ControllerUpdateResponse> reply) {
  if (const auto known = pods_.Find(key); !known) return reply(tl::unexpected(known.error()));
  reply(api::ControllerUpdateResponse());
}

// Nobody waits for what comes of it; and what is not there need not be removed.
void Service::Calls::Forget(const Key& key) {
  unstarted_.erase(key);
  pods_.Remove(key, [](const wasmoor::Status&) {});
}

void Service::Calls::Sweep() {
  const auto now = Clock::now();
  std::vector<Key> late;
  auto next = Clock::time_point::max();
  for (const auto& [key, pod] : unstarted_) {
    if (pod.due <= now)
      late.push_back(key);
    else
      next = std::min(next, pod.due);
  }
  for (const Key& key : late) Forget(key);
  if (!unstarted_.empty()) sweep_ = loop_.After(next - now, [this] { Sweep(); });
}

}  // namespace wasmoor::controller
