#pragma once

#include <google/protobuf/any.pb.h>

#include <cstdint>
#include <string>

#include "proto/containerd/types.pb.h"
#include "task/metrics.h"
#include "wasmoor/base/result.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/ttrpc/timestamp.h"

// What containerd's two services of pods have in common: the shim's
// (containerd.runtime.sandbox.v1.Sandbox) and the node's
// (containerd.services.sandbox.v1.Controller).
namespace wasmoor::task {

// What the configuration that comes with a pod's creation says about its surroundings: the CRI
// plugin's PodSandboxConfig; nothing if it has no type. kInvalidArgument: of another type. Comes
// after what else the request has, since the host's network has the say over a path.
Status ApplyConfiguration(const google::protobuf::Any& configuration, sandbox::PodRequest* pod);

// What a pod that has started says of itself to plugins of the NRI: an OCI specification, of which
// containerd complains where there is none. Without a path the network is the host's.
google::protobuf::Any SpecificationOf(const std::string& network_namespace);

// What containers of this machine must be made for.
::containerd::types::Platform ThisPlatform();

Result<::containerd::types::Metric> ToMetric(const std::string& id, const cgroup::Stats& stats,
                                             MetricsPacker* packer);

// The answers to a status, and to a wait, of whichever service.
template <typename Response>
void SetStatus(const std::string& id, const sandbox::PodInfo& info, Response* response) {
  response->set_sandbox_id(id);
  response->set_pid(static_cast<uint32_t>(info.pid));
  // The words of CRI's PodSandboxState, by which containerd's CRI plugin finds the state.
  response->set_state(info.running ? "SANDBOX_READY" : "SANDBOX_NOTREADY");
  ttrpc::SetTime(info.created, response->mutable_created_at());
  if (!info.running && info.pid != 0) ttrpc::SetTime(info.exit.at, response->mutable_exited_at());
}

template <typename Response>
Response ToExited(const sandbox::Exit& exit) {
  Response response;
  response.set_exit_status(exit.status);
  ttrpc::SetTime(exit.at, response.mutable_exited_at());
  return response;
}

}  // namespace wasmoor::task
