#pragma once

#include "proto/containerd/sandbox_controller.pb.h"
#include "wasmoor/base/result.h"
#include "wasmoor/controller/controller.h"

// Between containerd's messages and what Pods speak of.
namespace wasmoor::controller {

namespace api = ::containerd::services::sandbox::v1;

// `options` are those of a pod whose runtime has none.
Result<CreateRequest> ToCreate(const Key& key, const api::ControllerCreateRequest& request,
                               task::Options options);
// `network_namespace` is that of the pod's request.
api::ControllerStartResponse ToStarted(const Key& key, const PodStatus& status,
                                       const std::string& network_namespace);
api::ControllerStatusResponse ToStatus(const Key& key, const PodStatus& status, bool verbose);

}  // namespace wasmoor::controller
