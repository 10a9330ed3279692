#include "controller/translate.h"

#include <utility>

#include "task/pod_messages.h"

namespace wasmoor::controller {
namespace {

// What containerd dials for the tasks of the pod: protocol, '+', URL. From version 3 of the task
// service on it executes no shim for a container, neither to start nor to delete it.
constexpr std::string_view kAddressPrefix = "ttrpc+unix://";
constexpr uint32_t kTaskVersion = 3;

template <typename Response>
void SetEndpoint(const PodStatus& status, Response* response) {
  if (status.socket.empty()) return;
  response->set_address(std::string(kAddressPrefix) + status.socket);
  response->set_version(kTaskVersion);
}

}  // namespace

Result<CreateRequest> ToCreate(const Key& key, const api::ControllerCreateRequest& request,
                               task::Options options) {
  CreateRequest create = {.key = key, .pod = {}, .options = std::move(options)};
  TRY_AS(task::ApplyAny(request.sandbox().runtime().options(), &create.options), "pod \"{}\"",
         key.id);
  create.pod.id = key.id;
  create.pod.network_namespace = request.netns_path();
  create.pod.annotations.insert(request.annotations().begin(), request.annotations().end());
  create.pod.systemd_cgroup = create.options.systemd_cgroup;
  TRY(task::ApplyConfiguration(request.options(), &create.pod));
  return create;
}

api::ControllerStartResponse ToStarted(const Key& key, const PodStatus& status,
                                       const std::string& network_namespace) {
  api::ControllerStartResponse response;
  response.set_sandbox_id(key.id);
  response.set_pid(static_cast<uint32_t>(status.info.pid));
  ttrpc::SetTime(status.info.created, response.mutable_created_at());
  *response.mutable_spec() = task::SpecificationOf(network_namespace);
  SetEndpoint(status, &response);
  return response;
}

api::ControllerStatusResponse ToStatus(const Key& key, const PodStatus& status, bool verbose) {
  api::ControllerStatusResponse response;
  task::SetStatus(key.id, status.info, &response);
  SetEndpoint(status, &response);
  if (verbose) response.mutable_info()->insert(status.details.begin(), status.details.end());
  return response;
}

}  // namespace wasmoor::controller
