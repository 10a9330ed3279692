#pragma once

#include <list>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "controller/translate.h"
#include "task/metrics.h"
#include "wasmoor/controller/controller.h"
#include "wasmoor/grpc/service.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::controller {

// What a Service does; it outlives it where a pod's answer is under way.
class Service::Calls : public std::enable_shared_from_this<Service::Calls> {
 public:
  Calls(loop::Loop& loop, Pods& pods, std::chrono::nanoseconds unstarted_patience)
      : loop_(loop), pods_(pods), unstarted_patience_(unstarted_patience) {}

  void Call(std::string_view method, std::string_view message, const grpc::CallInfo& info,
            grpc::RawReply reply);
  // What the pods answer from now on goes nowhere, and nothing is removed any more.
  void Close();

 private:
  template <typename T>
  using Reply = grpc::Reply<T>;
  // Where a Done, which has to be copyable, answers.
  template <typename T>
  using Shared = std::shared_ptr<Reply<T>>;
  using Waiters = std::list<Reply<api::ControllerWaitResponse>>;
  using Clock = grpc::Clock;
  struct Unstarted {
    Clock::time_point due;  // When it is removed.
    std::string network_namespace;
  };

  template <typename Request, typename Response>
  void Take(void (Calls::*function)(const Key&, const Request&, Reply<Response>),
            std::string_view message, const grpc::CallInfo& info, grpc::RawReply reply);

  void Create(const Key& key, const api::ControllerCreateRequest& request,
              Reply<api::ControllerCreateResponse> reply);
  void Start(const Key& key, const api::ControllerStartRequest& request,
             Reply<api::ControllerStartResponse> reply);
  void Platform(const Key& key, const api::ControllerPlatformRequest& request,
                Reply<api::ControllerPlatformResponse> reply);
  void Stop(const Key& key, const api::ControllerStopRequest& request,
            Reply<api::ControllerStopResponse> reply);
  void Wait(const Key& key, const api::ControllerWaitRequest& request,
            Reply<api::ControllerWaitResponse> reply);
  void Status(const Key& key, const api::ControllerStatusRequest& request,
              Reply<api::ControllerStatusResponse> reply);
  void Shutdown(const Key& key, const api::ControllerShutdownRequest& request,
                Reply<api::ControllerShutdownResponse> reply);
  void Metrics(const Key& key, const api::ControllerMetricsRequest& request,
               Reply<api::ControllerMetricsResponse> reply);
  void Update(const Key& key, const api::ControllerUpdateRequest& request,
              Reply<api::ControllerUpdateResponse> reply);

  void Created(const Key& key, const std::string& network_namespace, const wasmoor::Status& made,
               const Shared<api::ControllerCreateResponse>& reply);
  void Started(const Key& key, const std::string& network_namespace,
               const Result<PodStatus>& status, const Shared<api::ControllerStartResponse>& reply);
  void Ended(const Key& key, const Result<sandbox::Exit>& exit);
  Result<api::ControllerMetricsResponse> MetricsOf(const Key& key,
                                                   const Result<cgroup::Stats>& stats);
  void Forget(const Key& key);
  void Sweep();

  loop::Loop& loop_;
  Pods& pods_;
  const std::chrono::nanoseconds unstarted_patience_;
  bool closed_ = false;
  task::MetricsPacker metrics_;
  std::set<Key> starting_;
  std::map<Key, Waiters> waiting_;  // An entry while the pods have been asked.
  std::map<Key, Unstarted> unstarted_;
  loop::Timer sweep_;  // Set while something is unstarted.
};

}  // namespace wasmoor::controller
